//! `spec.json`: what a shim runs. Written once before the spawn, never changed, and without a secret: those go through
//! descriptor 0.

use std::{collections::BTreeMap, path::PathBuf};

use model::{Address, ProcessId, ReleaseNumber, Site};
use serde::{Deserialize, Serialize};

use crate::sandbox::Confinement;

/// Version of the stored form; a keeper reads this and the one before, a shim only its own.
///
/// 2: an edge has a folder of its own, where keepers of format 1 do not look for it.
pub const FORMAT: u32 = 2;

/// [`FORMAT`], as this process counts.
pub fn format() -> u32 {
    machine::formats::current(FORMAT)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub format: u32,
    pub id: ProcessId,
    /// `None`: Mainstay's own (the edge).
    pub site: Option<Site>,
    /// `web.42.1`, `edge`, `migrate`: names the log file and the cgroup.
    pub name: String,
    pub kind: Kind,
    pub release: Option<ReleaseNumber>,
    /// The caller's own words, brought back by adoption; not read here.
    pub labels: BTreeMap<String, String>,
    /// Program and arguments, placeholders filled.
    pub argv: Vec<String>,
    /// Run the shim's own executable (`mainstay edge`) with `argv`, whatever stands at its path by then.
    pub own_executable: bool,
    pub cwd: PathBuf,
    /// Which build the shim is, and with `own_executable` the process too: [`crate::Supervisor::build`]. `None`: one from
    /// before it was written down, so another than that of whoever reads this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// `None`: the keeper's own uid.
    pub user: Option<Ids>,
    pub nofile: u64,
    /// `RLIMIT_NPROC`, where the pids controller is missing and the uid is the app's own.
    pub nproc: Option<u64>,
    /// `None`: not held, as all were before there was a sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Confinement>,
    /// The process's own folder in the cgroup tree, with `shim` and `app` in it; `None`: no writable v2 tree.
    pub cgroup: Option<PathBuf>,
    pub log: LogFile,
    pub stop: Stop,
    /// Where it takes requests.
    pub address: Option<Address>,
    /// The shim binds `<dir>/notify` and waits for `READY=1`.
    pub notify: bool,
    /// Identifies the boot: a pid of another boot means nothing.
    pub boot_id: String,
    /// Wall clock, milliseconds since 1970; for people.
    pub created_unix_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An instance of an app's service.
    Instance,
    /// The data plane.
    Edge,
    /// What speaks to others beside it.
    Station,
    /// A migration, build, hook, one-off: ends by itself.
    Job,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, complete.
    pub groups: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    pub path: PathBuf,
    /// Of the file and its rotated `.1`, `.2`, … together.
    pub max_bytes: u64,
    /// Rotated files older than this are removed at the next rotation.
    pub max_age_s: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub signal: i32,
    pub grace_ms: u64,
}
