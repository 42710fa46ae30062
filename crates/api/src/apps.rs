//! The apps of this machine.

use model::{Explain, ReleaseNumber, Site};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    pub site: Site,
    /// What the edge serves now.
    pub serving: Option<ReleaseNumber>,
    pub instances_ready: u32,
    pub instances_wanted: u32,
    /// `http://127.0.0.1:8080/` and the like.
    pub urls: Vec<String>,
    /// One word: `serving`, `deploying`, `degraded`, `held`, `paused`, `empty`, `unreadable`.
    pub state: String,
    /// Why it is `unreadable`, and the remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Explain>,
}

/// Ends a site: drains, stops, removes releases, logs, journals; shared data only when asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destroy {
    /// Must equal `app/environment`, as typed by the operator.
    pub confirm: String,
    pub with_data: bool,
}
