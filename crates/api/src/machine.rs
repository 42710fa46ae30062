//! This machine's Mainstay as a whole.

use model::{Explain, Span};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Of the keeper's binary.
    pub version: String,
    pub build: String,
    /// `sha256:<64 hex>` of the keeper's binary; empty: of a keeper that does not say it.
    #[serde(default)]
    pub digest: String,
    /// The last upgrade, where it was returned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<crate::upgrade::Record>,
    /// Lowest and highest API version that it answers.
    pub api: [u32; 2],
    pub host: String,
    pub data: String,
    pub run: String,
    pub keeper: Process,
    pub edge: Option<Process>,
    /// Edges that it has replaced: they take no connection any more and end when what they hold has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges_draining: Vec<Process>,
    /// How often an edge hung and was replaced, since the boot or the last `down`.
    #[serde(default)]
    pub edge_hung: u64,
    /// The last lines of its log, where it is not up: why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edge_said: Vec<String>,
    /// What tells webhooks; `None`: there are none, or it does not run.
    #[serde(default)]
    pub station: Option<Process>,
    /// Whether there should be a station.
    #[serde(default)]
    pub station_wanted: bool,
    /// Where it does not run and should: the last lines of its log, and how it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub station_said: Vec<String>,
    /// System calls that its sandbox refused, by name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub station_refused: std::collections::BTreeMap<String, u64>,
    /// Webhooks that are told nothing, or by a secret that stands in its file no more, and why, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks_unusable: Vec<String>,
    /// `false`: `mainstay up` died and nothing restarts the keeper (SURVIVING 17).
    pub has_parent: bool,
    pub listeners: Vec<Listener>,
    /// Of its interfaces, without those of loopback and of one link. An older server does not say them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<std::net::IpAddr>,
    /// Those of machine.toml, as the edge serves them.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// What this machine cannot give, in words: no cgroup v2 limits, plain user, …
    pub lost: Vec<String>,
    /// Those of `lost` from which a sandbox does not hold an app here, because the kernel cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unheld: Vec<String>,
    /// Controllers of cgroup v2 that instances do not have: `cpu`, `memory`, `pids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_controllers: Vec<String>,
    /// What machine.toml or this build asks of the edge, and the one that runs does not do, in words: it is older, and why it
    /// could not be replaced.
    #[serde(default)]
    pub pending: Vec<String>,
    /// Why what stands in machine.toml now is not what holds: it has mistakes, and what it said before goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Explain>,
    /// What `mainstay up` was told, which holds over machine.toml: `--listen 127.0.0.1:8080`.
    #[serde(default)]
    pub given: Vec<String>,
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

impl Listener {
    /// The port of the address.
    pub fn port(&self) -> Option<u16> {
        self.address.rsplit_once(':')?.1.parse().ok()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certificate {
    pub names: Vec<String>,
    /// `acme`, or `file` for a `[[certificate]]`.
    #[serde(default)]
    pub source: String,
    /// The PEM file.
    pub file: String,
    /// SHA-256 of the first certificate of the file, hexadecimal, lower case. An older server does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// `false`: its names are answered with another certificate.
    pub served: bool,
    /// Of the one that is served. RFC 3339.
    pub expires: Option<String>,
    /// Whole days until then; below 0: it has expired.
    pub days_left: Option<i64>,
    /// Why what stands in the files now is not what is served.
    pub problem: Option<String>,
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
    /// The last step: the keeper ends after it.
    pub done: bool,
    /// Of the last step: names of what has outlived its stop. An older server does not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}
