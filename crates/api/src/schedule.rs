//! Services that run by a schedule: when next, and what became of their runs.

use model::{Explain, ProcessId, ReleaseNumber, ServiceName};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scheduled {
    pub service: ServiceName,
    /// Whose schedule it is; `None`: no release that serves has it any more.
    pub release: Option<ReleaseNumber>,
    /// As the manifest says it.
    pub schedule: String,
    pub timezone: String,
    /// RFC 3339, in its zone.
    pub next: Option<String>,
    pub running: Option<Run>,
    /// A time that waits for the end of what runs.
    pub waiting: Option<String>,
    /// Newest first: the last runs, and those before them that did not go well.
    pub past: Vec<Run>,
    /// Why it cannot run at all.
    pub problem: Option<Explain>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// When it was to begin: RFC 3339, UTC, as are the others.
    pub due: String,
    pub release: Option<ReleaseNumber>,
    pub process: Option<ProcessId>,
    pub began: Option<String>,
    pub ended: Option<String>,
    /// `starting`, `running`, `succeeded`, `failed`, `lost`, `missed`, `skipped`.
    pub outcome: String,
    /// How many times were missed, `due` the last of them.
    pub missed: u64,
    pub why: Option<Explain>,
}
