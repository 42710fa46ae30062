//! From an [`Order`] to a [`Process`]: folder, spec, cgroup, sealed payload, shim.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc};

use crate::{Found, Order, Process};

/// What a [`Supervisor`] is made with.
#[derive(Debug)]
pub struct Settings {
    /// Absolute and short: sockets of apps lie below it (107 bytes in all).
    pub run_dir: PathBuf,
    /// The executable that plays the shim, held open: `machine::child::Executable::own()`.
    pub exe: machine::child::Executable,
    /// Where instances' cgroups go; `None`: find a place below the keeper's own.
    pub cgroup_parent: Option<PathBuf>,
    /// Ports for `Listen::Tcp`.
    pub ports: RangeInclusive<u16>,
    /// The group that may connect to apps' unix sockets; `None`: the keeper's own.
    pub edge_gid: Option<u32>,
}

/// Spawns, finds and adopts. One per keeper; cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    inner: Arc<Settings>,
}

/// Why a supervisor cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot make the run folder {path}")]
    RunDir { path: PathBuf, source: std::io::Error },
    #[error("the run folder {path} is too long: sockets below it would pass the kernel's 107 bytes")]
    RunDirTooLong { path: PathBuf },
}

/// Why a process did not come to be. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error(
        "`{{{name}}}` is no placeholder: use {{port}} {{host}} {{socket}} {{release_dir}} {{shared_dir}} {{instance}}"
    )]
    Placeholder { name: String },
    #[error("`{{{name}}}` has no value here: {why}")]
    NoValue { name: String, why: String },
    #[error("the command is empty")]
    NoCommand,
    #[error("`{name}` cannot be set in the environment: {why}")]
    Variable { name: String, why: String },
    #[error("no free port in {first} to {last}")]
    NoPort { first: u16, last: u16 },
    #[error("the socket path {path} is longer than the kernel's 107 bytes")]
    SocketPath { path: PathBuf },
    #[error("cannot {doing}")]
    Io { doing: String, source: std::io::Error },
    #[error("the shim of {name} did not start: {why}")]
    Shim { name: String, why: String },
    /// The app's own program could not be run; `why` holds the kernel's word and the path.
    #[error("cannot run {program}: {why}")]
    Exec { program: String, why: String },
}

impl Supervisor {
    /// Makes the run folder (0711) and finds out what the machine gives.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Ok(Self { inner: Arc::new(settings) })
    }

    /// Starts one process. When this returns, the app's program has been executed; whether it works is for probes.
    /// Not cancel-safe: a dropped call may leave a process that the next [`Supervisor::observe`] finds.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub async fn spawn(&self, order: &Order) -> Result<Process, SpawnError> {
        let _ = (order, &self.inner);
        todo!()
    }

    /// What lives or lay below the run folder when this keeper began: call it once, before the first spawn. Cgroups
    /// that belong to no folder are killed. Takes up to 2 s where a shim is just being born, 2 s more for a hung one.
    pub async fn observe(&self) -> Vec<Found> {
        todo!()
    }

    /// What this machine does not give, in sentences for `status`: "no cgroup v2 memory controller: …".
    pub fn lost_abilities(&self) -> Vec<String> {
        todo!()
    }
}
