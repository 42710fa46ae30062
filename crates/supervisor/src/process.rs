//! A hold on one supervised process, spawned or adopted: the same type, because there is no difference.

use std::path::PathBuf;

use crate::{Address, Exit, Spec, spec::LogFile};

/// Cheap to clone; dropping every handle leaves the process running.
#[derive(Clone, Debug)]
pub struct Process {
    inner: std::sync::Arc<Inner>,
}

#[derive(Debug)]
struct Inner {}

/// Why a word to the shim was not heard.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the shim of {name} does not answer")]
    Silent { name: String, source: std::io::Error },
    #[error("the shim of {name} refused: {why}")]
    Refused { name: String, why: String },
}

impl Process {
    pub fn id(&self) -> model::ProcessId {
        todo!()
    }

    /// Of the app itself, for people and for pidfd-less tools; it may be gone.
    pub fn pid(&self) -> u32 {
        todo!()
    }

    pub fn spec(&self) -> &Spec {
        todo!()
    }

    pub fn address(&self) -> Option<&Address> {
        todo!()
    }

    /// `<run>/i/<ulid>`.
    pub fn dir(&self) -> &PathBuf {
        todo!()
    }

    pub fn log(&self) -> &LogFile {
        todo!()
    }

    /// Begins the spec's stop: signal, grace, SIGKILL. Returns when the shim has taken it, not when it is done; from
    /// then on the shim holds the timer, so the stop survives the keeper. A second call never lengthens the first.
    ///
    /// # Errors
    /// [`ProcessError`]; a process that has ended already is none.
    pub async fn stop(&self) -> Result<(), ProcessError> {
        todo!()
    }

    /// The same with another signal or grace; a grace of zero kills at once.
    pub async fn stop_with(&self, plan: crate::StopPlan) -> Result<(), ProcessError> {
        let _ = plan;
        todo!()
    }

    /// Sends one signal to the app's main process.
    pub async fn signal(&self, signal: i32) -> Result<(), ProcessError> {
        let _ = signal;
        todo!()
    }

    /// Waits for the end. Never fails: a dead shim is [`crate::Cause::Lost`]. Cancel-safe, any number at once.
    pub async fn wait(&self) -> Exit {
        todo!()
    }

    /// The exit, if it is known already.
    pub fn exit(&self) -> Option<Exit> {
        todo!()
    }

    /// Waits for `READY=1`; `false`: it ended first, or was not asked to notify. Cancel-safe.
    pub async fn ready(&self) -> bool {
        todo!()
    }

    /// The last `lines` lines of its output as written to the log, oldest first, redacted. At most what the shim holds
    /// (64 KiB); from the file where the shim is gone.
    pub async fn tail(&self, lines: usize) -> Vec<String> {
        let _ = lines;
        todo!()
    }

    /// Removes its folder, its cgroup and its shim. Only for a process that has ended; a running one is refused.
    pub async fn forget(&self) -> Result<(), ProcessError> {
        todo!()
    }

    /// The sockets that its processes listen on now, from `/proc`.
    pub async fn listening(&self) -> std::io::Result<Vec<machine::sockets::Listening>> {
        todo!()
    }

    /// Memory of its cgroup, else the resident sets of its processes together, bytes.
    pub fn memory_bytes(&self) -> Option<u64> {
        todo!()
    }
}
