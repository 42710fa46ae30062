//! An error as it is told to a person: what went wrong, why, what is true now, and what to do.

use serde::{Deserialize, Serialize};

/// The telling form of an error. One place (the binary's `report.rs`) turns it into words; it travels unchanged
/// over the API, so a client shows exactly what the keeper meant.
///
/// ```text
/// error: release 41 was not ready within 30 s
///   caused by: GET http://127.0.0.1:4107/up: connection refused
///   now: release 40 still serves all traffic
///   help: read `mainstay logs web --release 41`   [release-not-ready]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explain {
    /// Stable, kebab-case, greppable; documented in `docs/reference/errors.md`.
    pub code: String,
    /// One sentence without a full stop: what failed.
    pub message: String,
    /// From the nearest cause to the farthest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What is true now, where that is not obvious ("release 40 still serves all traffic").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Longer material, shown after the error as it is: a manifest excerpt, a probe's answer, the last log lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// Where in a file, for an editor or a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A range of a text file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Byte range in the file.
    pub start: usize,
    pub end: usize,
}

/// A titled block of verbatim text that belongs to an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    pub title: String,
    /// Line by line, without line ends; already redacted.
    pub lines: Vec<String>,
}

impl Explain {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            causes: Vec::new(),
            now: None,
            help: None,
            details: Vec::new(),
            place: None,
        }
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds `error` and all its sources as causes.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    #[must_use]
    pub fn now(mut self, now: impl Into<String>) -> Self {
        self.now = Some(now.into());
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, title: impl Into<String>, lines: Vec<String>) -> Self {
        self.details.push(Detail { title: title.into(), lines });
        self
    }
}

impl std::fmt::Display for Explain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Explain {}
