//! Secrets: which there are and who uses them. A value goes to the keeper and never comes back.

use std::fmt;

use model::ServiceName;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Secrets {
    /// Where the values stand, in words.
    pub source: String,
    /// By name.
    pub secrets: Vec<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    /// Whether the source has a value for it.
    pub is_set: bool,
    /// Services and jobs of the release that serves which name it, `migrate` too.
    pub used_by: Vec<String>,
    /// What serves was started with another value than the source has now.
    pub waits_for_restart: bool,
    /// RFC 3339, and who: of the last change by `mainstay secrets`.
    pub changed: Option<String>,
    pub changed_by: Option<String>,
    /// The value before the last change is kept, for an undo.
    pub has_former: bool,
}

/// What becomes of a secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// This value from now on; the one before is kept as the former one.
    Set { value: String },
    /// The former one again.
    Undo,
    /// The last change is taken back as if it had not been: value, former value, and who made the change before it when. Where
    /// the keeper that made the change is gone it is an undo.
    Withdraw,
}

/// Without the value: requests are logged by those who debug.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set { .. } => "Set { value: *** }",
            Self::Undo => "Undo",
            Self::Withdraw => "Withdraw",
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// Those of what serves that must be restarted to have it.
    pub used_by: Vec<ServiceName>,
    /// There was a value before.
    pub replaced: bool,
}
