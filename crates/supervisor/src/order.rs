//! What a caller asks to be run. Unlike a [`crate::Spec`] it holds secrets and descriptors, and its words may hold
//! placeholders; it can be spawned again and again, each time as a new process with its own port and folder.

use std::{collections::BTreeMap, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use model::{ReleaseNumber, Secret, Site, manifest::Limits, manifest::Listen, manifest::Logs};

use crate::{
    Enclosure,
    spec::{Ids, Kind, Stop},
};

#[derive(Clone, Debug)]
pub struct Order {
    /// `None`: Mainstay's own (the edge).
    pub site: Option<Site>,
    /// `web.42.1`, `edge`, `migrate`.
    pub name: String,
    pub kind: Kind,
    pub release: Option<ReleaseNumber>,
    /// The caller's own words, given back by adoption.
    pub labels: BTreeMap<String, String>,
    pub program: Program,
    /// The working folder: the release's. Also the value of `{release_dir}`.
    pub cwd: PathBuf,
    /// The value of `{shared_dir}`; `None`: using it is an error.
    pub shared_dir: Option<PathBuf>,
    /// `None`: the keeper's own uid.
    pub user: Option<User>,
    /// Beside what is always set; values may hold placeholders, may replace `PATH`, `TZ`, `LANG`, never the rest.
    pub env: BTreeMap<String, String>,
    /// What Mainstay tells it beside what every process is told; as it is, and nobody may set the same.
    pub told: BTreeMap<String, String>,
    /// Put into the environment as they are (no placeholders), and struck from every line of the log.
    pub secrets: BTreeMap<String, Secret>,
    /// Struck from the log without being in the environment.
    pub redact: Vec<Secret>,
    pub listen: Option<Listen>,
    /// Give it a `NOTIFY_SOCKET` and learn of `READY=1`. For workers; never together with another such socket.
    pub notify: bool,
    /// Delivered from descriptor 3 on with `LISTEN_FDS`, `LISTEN_FDNAMES`, `LISTEN_PID`. After the one that
    /// `Listen::Inherit` makes (named `http`).
    pub fds: Vec<Inherited>,
    pub limits: Limits,
    /// `None`: nothing but its account and limits holds it.
    pub sandbox: Option<Enclosure>,
    pub stop: StopPlan,
    pub log: LogTo,
}

#[derive(Clone, Debug)]
pub enum Program {
    /// Program and arguments, placeholders allowed. A program without `/` is looked up in the process's own `PATH`.
    Command(Vec<String>),
    /// The same as it is: braces are the program's own.
    Verbatim(Vec<String>),
    /// This executable's own, with these arguments after `mainstay`: `["edge", …]`.
    Own(Vec<String>),
}

#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub ids: Ids,
    /// `HOME`.
    pub home: PathBuf,
}

/// A descriptor for the process. It stays open in the keeper, for the next spawn of the same order.
#[derive(Clone, Debug)]
pub struct Inherited {
    /// Its `LISTEN_FDNAMES` word; without `:`.
    pub name: String,
    pub fd: Arc<OwnedFd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPlan {
    /// Number of the signal that asks it to end.
    pub signal: i32,
    /// From the signal to SIGKILL.
    pub grace: Duration,
}

impl From<Stop> for StopPlan {
    fn from(stop: Stop) -> Self {
        Self { signal: stop.signal, grace: Duration::from_millis(stop.grace_ms) }
    }
}

#[derive(Clone, Debug)]
pub struct LogTo {
    /// See [`crate::logs::path`].
    pub path: PathBuf,
    pub limits: Logs,
}

/// The number of a manifest's stop signal.
pub fn signal_number(signal: model::manifest::StopSignal) -> i32 {
    use model::manifest::StopSignal as S;
    match signal {
        S::Hup => 1,
        S::Int => 2,
        S::Quit => 3,
        S::Usr1 => 10,
        S::Usr2 => 12,
        S::Term => 15,
        S::Winch => 28,
    }
}
