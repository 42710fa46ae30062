//! Work on a running site: restart, scale, one-off commands.

use model::{InstanceName, ServiceName};
use serde::{Deserialize, Serialize};

/// A rolling restart of the release that serves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Restart {
    #[serde(default)]
    pub service: Option<ServiceName>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scale {
    pub service: ServiceName,
    /// At least 1.
    pub instances: u32,
}

/// A one-off in the current release: same user, environment, secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub argv: Vec<String>,
    /// Whose environment; default: the first service.
    #[serde(default)]
    pub service: Option<ServiceName>,
}

/// The same beside a given instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    pub instance: InstanceName,
    pub argv: Vec<String>,
}

/// One NDJSON line of a one-off's output, from the server; `text` holds the line end that was written. The last is `Exit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    Stdout { text: String },
    Stderr { text: String },
    Exit { code: Option<i32>, signal: Option<i32> },
}
