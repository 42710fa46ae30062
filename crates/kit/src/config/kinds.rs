//! What a single value may look like, and the sentence that says what is wrong with it. A secret's value never stands
//! in such a sentence.

use std::time::Duration;

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Anything.
    Text,
    /// Whole number, both ends included.
    Number {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// `30ms`, `25s`, `2m`, `1h`; both ends included.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Begins with `http://` or `https://` and names a host.
    Url,
    /// Never shown; at least so many characters, and no placeholder from an example file (CFGV-05).
    Secret {
        /// Characters, not bytes.
        chars_min: usize,
    },
    /// Never shown; a vendor's key, which begins with these characters (CFGV-04).
    Key {
        /// Such as `sk-`.
        prefix: &'static str,
    },
    /// Never shown; an id or a secret that somebody else gave out (CFGV-03).
    Credential {
        /// Characters, not bytes.
        chars_min: usize,
    },
}

impl Kind {
    /// Whether values of this kind are never shown, and may stand in files.
    pub fn is_private(self) -> bool {
        matches!(self, Self::Secret { .. } | Self::Key { .. } | Self::Credential { .. })
    }

    /// The error begins with `name`: the variable that somebody set.
    pub(super) fn check(self, name: &str, value: &str) -> Result<(), String> {
        match self {
            Self::Text => Ok(()),
            Self::Number { min, max } => match value.parse::<u64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(()),
                _ => Err(format!("{name} should be a whole number from {min} to {max}, not \"{value}\"")),
            },
            Self::Duration { min, max } => match parse_duration(value) {
                Some(span) if (min..=max).contains(&span) => Ok(()),
                _ => Err(format!(
                    "{name} should be a time from {} to {}, such as 30ms, 25s or 2m, not \"{value}\"",
                    show_duration(min),
                    show_duration(max)
                )),
            },
            Self::OneOf(choices) if choices.contains(&value) => Ok(()),
            Self::OneOf(choices) => Err(format!(
                "{name} should be one of {}, not \"{value}\"{}",
                choices.join(", "),
                nearest(value, choices.iter().copied())
            )),
            Self::Url => check_url(name, value),
            Self::Key { prefix } if !value.starts_with(prefix) => {
                Err(format!("{name} should start with \"{prefix}\""))
            }
            Self::Secret { .. } | Self::Key { .. } | Self::Credential { .. } if is_placeholder(value) => {
                Err(format!("{name} should not use the default placeholder value"))
            }
            Self::Secret { chars_min } if value.chars().count() < chars_min => {
                Err(format!("{name} should be at least {chars_min} characters long"))
            }
            Self::Credential { chars_min } if value.chars().count() < chars_min => {
                Err(format!("{name} appears to be invalid (too short)"))
            }
            Self::Secret { .. } | Self::Key { .. } | Self::Credential { .. } => Ok(()),
        }
    }

    pub(super) fn describe(self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::Duration { .. } => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}),
            Self::OneOf(choices) => json!({"enum": choices}),
            Self::Url => json!({"type": "string", "format": "uri"}),
            Self::Secret { chars_min } | Self::Credential { chars_min } => {
                json!({"type": "string", "minLength": chars_min, "writeOnly": true})
            }
            Self::Key { prefix } => {
                json!({"type": "string", "pattern": format!("^{prefix}"), "writeOnly": true})
            }
        }
    }
}

fn check_url(name: &str, value: &str) -> Result<(), String> {
    let host = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || value.contains(char::is_whitespace) {
        return Err(format!("{name} should be an address such as https://host/v1"));
    }
    Ok(())
}

/// What example files put where a secret belongs (W-F2: the guides' own examples reach production).
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.to_ascii_lowercase().replace(['-', ' '], "_");
    let marks = [
        "change_me",
        "changeme",
        "your_",
        "placeholder",
        "replace_me",
        "replace_this",
        "insert_",
        "_here",
        "example_",
        "example.com",
    ];
    let words = ["secret", "password", "change_it", "todo"];
    marks.iter().any(|mark| value.contains(mark))
        || words.contains(&value.as_str())
        || (value.starts_with('<') && value.ends_with('>'))
        || value.chars().all(|c| c == 'x')
}

/// `; did you mean X?`, or nothing.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known.map(|name| (strsim::damerau_levenshtein(typed, name), name)).min();
    // Bound: a third of the word may differ, else the guess helps nobody.
    near.filter(|(distance, _)| *distance <= typed.chars().count().div_ceil(3))
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

/// `30ms`, `25s`, `2m`, `1h`; nothing else. `None` also where it is more than milliseconds in 64 bits can hold.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let factor_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor_ms).map(Duration::from_millis)
}

pub(super) fn show_duration(span: Duration) -> String {
    let ms = span.as_millis();
    [(3_600_000, "h"), (60_000, "m"), (1_000, "s")]
        .iter()
        .find(|(factor, _)| ms >= *factor && ms.is_multiple_of(*factor))
        .map_or_else(|| format!("{ms}ms"), |(factor, unit)| format!("{}{unit}", ms / factor))
}
