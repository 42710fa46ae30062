//! Configuration from the environment, checked field by field so that one start tells every mistake (CFGV-01).
//!
//! An app writes one table of [`Field`]s; this file reads, checks, explains and describes them. Decides nothing about
//! what the values mean together: the app adds such findings with [`Reading::refuse`].

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::Private;

#[cfg(test)]
mod tests;

/// One setting: its variable, what it may be, and the sentence that explains it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// As it would stand in the environment. `None`: unset is allowed.
    pub default: Option<&'static str>,
    pub doc: &'static str,
}

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    /// Whole number, both ends included.
    Number {
        min: u64,
        max: u64,
    },
    /// `30ms`, `25s`, `2m`, `1h`; both ends included.
    Duration {
        min: Duration,
        max: Duration,
    },
    OneOf(&'static [&'static str]),
    /// Begins with `http://` or `https://` and names a host.
    Url,
    /// Never shown; at least so many characters, and no placeholder from an example file.
    Secret {
        chars_min: usize,
    },
}

/// The values of one start, and what was wrong with them.
#[derive(Debug)]
pub struct Reading {
    fields: &'static [Field],
    values: BTreeMap<&'static str, String>,
    errors: Vec<String>,
}

/// Every mistake of one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

/// Values that passed. Asking for a name that is not in the table is a mistake of the program and panics.
#[derive(Debug)]
pub struct Values {
    fields: &'static [Field],
    values: BTreeMap<&'static str, String>,
}

impl fmt::Display for Refused {
    /// `Configuration validation failed:` and one indented line each, as operators of S3 know it (S3:310-322).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configuration validation failed:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  - {error}"))
    }
}

impl std::error::Error for Refused {}

impl Reading {
    /// Reads `fields` from `vars`. Empty values count as unset. A variable that begins with `prefix` and is in no
    /// field is refused with the nearest name, since a misspelt setting is otherwise silently ignored.
    pub fn of(
        fields: &'static [Field],
        prefix: &str,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut reading = Self { fields, values: BTreeMap::new(), errors: Vec::new() };
        let vars: BTreeMap<String, String> = vars.into_iter().collect();
        for field in fields {
            reading.read(
                field,
                vars.get(field.name).map(|value| value.trim()).filter(|value| !value.is_empty()),
            );
        }
        for name in vars.keys().filter(|name| name.starts_with(prefix)) {
            if !fields.iter().any(|field| field.name == name) {
                reading.errors.push(unknown(name, fields));
            }
        }
        reading
    }

    /// The same, from this process's environment; values that are no UTF-8 are refused by name.
    pub fn of_environment(fields: &'static [Field], prefix: &str) -> Self {
        let (mut vars, mut broken) = (Vec::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => vars.push((name, value)),
                Err(_) if fields.iter().any(|field| field.name == name) => broken.push(name),
                Err(_) => {}
            }
        }
        let mut reading = Self::of(fields, prefix, vars);
        reading.errors.extend(broken.iter().map(|name| format!("{name} should be UTF-8 text")));
        reading
    }

    /// Adds a finding that needs more than one field to see.
    pub fn refuse(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    /// The value as text, to look at before [`Reading::finish`].
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// # Errors
    /// Everything that is wrong, in the order of the table.
    pub fn finish(self) -> Result<Values, Refused> {
        if self.errors.is_empty() {
            return Ok(Values { fields: self.fields, values: self.values });
        }
        Err(Refused(self.errors))
    }

    fn read(&mut self, field: &'static Field, given: Option<&str>) {
        let Some(value) = given.or(field.default) else { return };
        match field.kind.check(field.name, value) {
            Ok(()) => drop(self.values.insert(field.name, value.to_owned())),
            Err(error) => self.errors.push(error),
        }
    }
}

impl Kind {
    fn check(self, name: &str, value: &str) -> Result<(), String> {
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
            Self::Secret { chars_min } => check_secret(name, value, chars_min),
        }
    }

    fn describe(self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::Duration { .. } => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}),
            Self::OneOf(choices) => json!({"enum": choices}),
            Self::Url => json!({"type": "string", "format": "uri"}),
            Self::Secret { chars_min } => {
                json!({"type": "string", "minLength": chars_min, "writeOnly": true})
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

/// A secret's value never stands in the message.
fn check_secret(name: &str, value: &str, chars_min: usize) -> Result<(), String> {
    if is_placeholder(value) {
        return Err(format!("{name} should not use the default placeholder value"));
    }
    if value.chars().count() < chars_min {
        return Err(format!("{name} should be at least {chars_min} characters long"));
    }
    Ok(())
}

/// What example files put where a secret belongs (W-F5: the guides' own examples reach production).
fn is_placeholder(value: &str) -> bool {
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
    ];
    marks.iter().any(|mark| value.contains(mark))
        || (value.starts_with('<') && value.ends_with('>'))
        || value.chars().all(|c| c == 'x')
}

fn unknown(name: &str, fields: &[Field]) -> String {
    format!("{name} is not a setting{}", nearest(name, fields.iter().map(|field| field.name)))
}

fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known.map(|name| (strsim::damerau_levenshtein(typed, name), name)).min();
    // Bound: a third of the word may differ, else the guess helps nobody.
    near.filter(|(distance, _)| *distance <= typed.chars().count().div_ceil(3))
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

/// `30ms`, `25s`, `2m`, `1h`; nothing else.
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

fn show_duration(span: Duration) -> String {
    let ms = span.as_millis();
    [(3_600_000, "h"), (60_000, "m"), (1_000, "s")]
        .iter()
        .find(|(factor, _)| ms >= *factor && ms.is_multiple_of(*factor))
        .map_or_else(|| format!("{ms}ms"), |(factor, unit)| format!("{}{unit}", ms / factor))
}

impl Values {
    pub fn text(&self, name: &str) -> Option<&str> {
        assert!(self.fields.iter().any(|field| field.name == name), "{name} is not in the table of settings");
        self.values.get(name).map(String::as_str)
    }

    pub fn secret(&self, name: &str) -> Option<Private<String>> {
        self.text(name).map(|value| Private::new(value.to_owned()))
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(|value| value.parse().ok())
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.text(name).and_then(parse_duration)
    }

    /// Every setting with its value in force; secrets as `[private]`.
    pub fn effective(&self) -> Vec<(&'static str, String)> {
        let show = |field: &Field| match (self.values.get(field.name), field.kind) {
            (Some(_), Kind::Secret { .. }) => "[private]".to_owned(),
            (Some(value), _) => value.clone(),
            (None, _) => "(unset)".to_owned(),
        };
        self.fields.iter().map(|field| (field.name, show(field))).collect()
    }
}

/// The table as JSON Schema, for editors and operators.
pub fn schema(title: &str, fields: &[Field]) -> serde_json::Value {
    let describe = |field: &Field| {
        let mut property = field.kind.describe();
        property["description"] = field.doc.into();
        if let Some(default) = field.default {
            property["default"] = default.into();
        }
        (field.name.to_owned(), property)
    };
    let properties: serde_json::Map<_, _> = fields.iter().map(describe).collect();
    serde_json::json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "type": "object", "properties": properties})
}
