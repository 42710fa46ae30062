//! Work on a running site: restart, scale, one-off commands.

use model::{InstanceName, ServiceName};
use serde::{Deserialize, Serialize};

use crate::console::Size;

/// A rolling restart of the release that serves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Restart {
    #[serde(default)]
    pub service: Option<ServiceName>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scale {
    pub service: ServiceName,
    /// Of [`model::manifest::INSTANCES`].
    pub instances: u32,
}

/// A one-off in the current release: same user, environment, secrets. The rest is [`crate::console`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub argv: Vec<String>,
    /// Whose environment; default: the first service.
    #[serde(default)]
    pub service: Option<ServiceName>,
    /// With a terminal, instead of three pipes.
    #[serde(default)]
    pub terminal: Option<Terminal>,
}

/// The same beside a given instance, with what that one was started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exec {
    pub instance: InstanceName,
    pub argv: Vec<String>,
    #[serde(default)]
    pub terminal: Option<Terminal>,
}

/// The client's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terminal {
    /// The value of `TERM`.
    pub kind: String,
    pub size: Size,
}

/// A one-off's output as the client's `--json` prints it, one value a line. The last is `Exit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    Stdout { text: String },
    Stderr { text: String },
    Exit { code: Option<i32>, signal: Option<i32> },
}
