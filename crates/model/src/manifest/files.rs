//! Services that are files of the release, served by Mainstay itself.

use serde::{Deserialize, Serialize};

/// What `type = "static"` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// A folder of the release; `.`: all of it.
    pub root: String,
    /// The page of that folder that answers where a browser navigates to a path which has no file: an app that routes by
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Prefixes of paths below which a file never changes under its name. A digest in the name says it, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub immutable: Vec<String>,
}

/// What the edge asks such a service; nobody's file, since names that begin with a dot are never served.
pub const READY_PATH: &str = "/.mainstay/ready";
