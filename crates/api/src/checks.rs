//! Findings of `mainstay check`.

use model::Explain;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// The check ran and something is wrong.
    Found { explain: Explain },
    /// The check ran and all is well; what was seen.
    Passed { seen: String },
    /// Could not run here, and why.
    NotRun { why: String },
    /// A person vouches for it, since `when`, until a date (both RFC 3339 dates).
    Attested {
        by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<String>,
        until: String,
        note: String,
    },
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `disk-space`, `secrets-resolve`, …
    pub id: String,
    pub title: String,
    pub severity: Severity,
    /// Ids of requirements that it answers, like `CHK-09b`.
    pub sources: Vec<String>,
    #[serde(flatten)]
    pub state: State,
}
