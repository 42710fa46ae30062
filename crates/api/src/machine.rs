//! This machine's Mainstay as a whole.

use model::Span;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Of the keeper's binary.
    pub version: String,
    pub build: String,
    /// Lowest and highest API version that it answers.
    pub api: [u32; 2],
    pub host: String,
    pub data: String,
    pub run: String,
    pub keeper: Process,
    pub edge: Option<Process>,
    /// `false`: `mainstay up` died and nothing restarts the keeper (SURVIVING 17).
    pub has_parent: bool,
    pub listeners: Vec<Listener>,
    /// What this machine cannot give, in words: no cgroup v2 limits, plain user, …
    pub lost: Vec<String>,
    /// What machine.toml asks of the edge, and the one that runs does not do because it is older, in words.
    #[serde(default)]
    pub pending: Vec<String>,
    /// Free bytes and inodes of the data folder.
    pub disk_free_bytes: u64,
    pub inodes_free: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    /// RFC 3339.
    pub started: String,
    pub restarts: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listener {
    /// `http` or `https`.
    pub kind: String,
    /// `127.0.0.1:8080`.
    pub address: String,
    /// What a person types.
    pub url: String,
}

/// Drain by class for at most `within`, then stop everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Down {
    pub within: Option<Span>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DownStep {
    /// A sentence for a person: "draining 3 streams, 1 WebSocket".
    pub message: String,
    /// The last step: nothing is left.
    pub done: bool,
}
