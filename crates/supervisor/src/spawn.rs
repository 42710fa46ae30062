//! From an [`Order`] to a [`Process`]: folder, spec, cgroup, sealed payload, shim. Mechanism points 4 and 5 of the design.

mod environment;
pub(crate) mod folder;
mod launch;
pub(crate) mod ports;
pub(crate) mod tree;

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Order, Process, build, dirs};
use ports::Ports;
use tree::Tree;

/// What a [`Supervisor`] is made with.
#[derive(Debug)]
pub struct Settings {
    /// Absolute and short: sockets of apps lie below it (107 bytes in all).
    pub run_dir: PathBuf,
    /// The executable that plays the shim, held open: `machine::child::Executable::own()`.
    pub exe: machine::child::Executable,
    /// Where instances' cgroups go; `None`: find a place below the keeper's own.
    pub cgroup_parent: Option<PathBuf>,
    /// Ports for `Listen::Tcp` and `Listen::Inherit`.
    pub ports: RangeInclusive<u16>,
    /// Private folders for temporary files (`TMPDIR`) go here, one per process; `None`: into the run folder, which is
    /// memory where it is a tmpfs.
    pub tmp_dir: Option<PathBuf>,
    /// The group that may connect to apps' unix sockets; `None`: the keeper's own.
    pub edge_gid: Option<u32>,
}

/// Spawns, finds and adopts. One per keeper; cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) tree: Option<Tree>,
    pub(crate) ports: Ports,
    pub(crate) boot_id: String,
    pub(crate) build: String,
    own_home: PathBuf,
}

/// Why a supervisor cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot make the run folder {path}")]
    RunDir { path: PathBuf, source: std::io::Error },
    #[error("cannot read the executable that plays the shim")]
    Executable { source: std::io::Error },
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
        let run_dir = &settings.run_dir;
        let longest = dirs::socket(&dirs::of(run_dir, model::ProcessId(ulid::Ulid::nil())));
        if longest.as_os_str().len() > dirs::SOCKET_PATH_MAX {
            return Err(OpenError::RunDirTooLong { path: run_dir.clone() });
        }
        let build = build::of(&settings.exe).map_err(|source| OpenError::Executable { source })?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::RunDir { path, source }
        };
        if let Some(parent) = run_dir.parent() {
            std::fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        let folders = [Some(run_dir.clone()), Some(dirs::all(run_dir)), settings.tmp_dir.clone()];
        for folder in folders.into_iter().flatten() {
            machine::fs::make_dir(&folder, 0o711).map_err(failed(&folder))?;
        }
        let home =
            machine::users::by_uid(machine::users::own_uid()).ok().flatten().map(|account| account.home);
        Ok(Self {
            inner: Arc::new(Inner {
                tree: Tree::open(settings.cgroup_parent.as_deref(), run_dir),
                ports: Ports::new(settings.ports.clone()),
                boot_id: machine::clock::boot_id(),
                build,
                own_home: home.unwrap_or_else(|| PathBuf::from("/")),
                settings,
            }),
        })
    }

    /// Starts one process. When this returns, the app's program has been executed; whether it works is for probes.
    /// Not cancel-safe: a dropped call may leave a process that the next [`Supervisor::observe`] finds.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub async fn spawn(&self, order: &Order) -> Result<Process, SpawnError> {
        launch::launch(self, order).await
    }

    /// Which build spawns: the SHA-256 of its executable, in hex.
    pub fn build(&self) -> &str {
        &self.inner.build
    }

    /// Whether processes get cgroups of their own; without, they stay in that of this process and end with its unit.
    pub fn has_groups(&self) -> bool {
        self.inner.tree.is_some()
    }

    /// The controllers of limits that processes do not have here.
    pub fn missing_controllers(&self) -> Vec<&'static str> {
        let has = |controller| self.inner.tree.as_ref().is_some_and(|tree| tree.has(controller));
        tree::WANTED.into_iter().filter(|controller| !has(controller)).collect()
    }

    /// What this machine does not give, in sentences for `status`; empty: nothing is missing.
    pub fn lost_abilities(&self) -> Vec<String> {
        let mut lost = crate::sandbox::lost();
        let Some(tree) = &self.inner.tree else {
            lost.push(
                "no writable cgroup v2 tree: memory and task limits are not enforced, and memory is counted by \
                 processes"
                    .to_owned(),
            );
            return lost;
        };
        if !tree.has("memory") {
            lost.push(
                "the cgroup v2 tree has no memory controller: memory limits are not enforced".to_owned(),
            );
        }
        if !tree.has("pids") {
            lost.push(
                "the cgroup v2 tree has no pids controller: task limits count per user, not per instance"
                    .to_owned(),
            );
        }
        lost
    }
}
