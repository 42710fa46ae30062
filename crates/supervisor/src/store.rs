//! The descriptor store: what outlives the keeper. systemd's protocol, spoken by both sides, so that the keeper has one
//! code path under a unit and under `mainstay up` (sd_notify(3), sd_pid_notify_with_fds(3), sd_listen_fds(3)).

use std::os::fd::{BorrowedFd, OwnedFd};

/// The keeper's side.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// From `NOTIFY_SOCKET`; `None`: nobody above (then nothing outlives the keeper, and `status` says so).
    pub fn from_env() -> Option<Self> {
        todo!()
    }

    /// Descriptors that were kept, by name, in no order. Call it once, first thing: later calls give nothing.
    pub fn inherited() -> Vec<(String, OwnedFd)> {
        todo!()
    }

    /// Keeps a copy of `fd` under `name` (no `:`). Names need not be unique.
    pub fn put(&self, name: &str, fd: BorrowedFd<'_>) -> std::io::Result<()> {
        let _ = (name, fd);
        todo!()
    }

    /// Lets go of all descriptors of that name.
    pub fn remove(&self, name: &str) -> std::io::Result<()> {
        let _ = name;
        todo!()
    }

    /// `READY=1`: the keeper has looked around and serves its API.
    pub fn ready(&self) -> std::io::Result<()> {
        todo!()
    }

    /// `STOPPING=1`.
    pub fn stopping(&self) -> std::io::Result<()> {
        todo!()
    }

    /// `STATUS=…`, one line for people.
    pub fn status(&self, line: &str) -> std::io::Result<()> {
        let _ = line;
        todo!()
    }

    /// `WATCHDOG=1`: the main loop turns.
    pub fn alive(&self) -> std::io::Result<()> {
        todo!()
    }

    /// Half of `WATCHDOG_USEC`: how often to call [`Store::alive`].
    pub fn alive_every() -> Option<std::time::Duration> {
        todo!()
    }
}

/// Sends named descriptors over a connected unix socket: a keeper without a parent hands its store to a new `up`.
/// Bound: 253 descriptors.
pub fn send_all(
    to: &std::os::unix::net::UnixStream,
    fds: &[(String, BorrowedFd<'_>)],
) -> std::io::Result<()> {
    let _ = (to, fds);
    todo!()
}

/// The other end of [`send_all`].
pub fn receive_all(from: &std::os::unix::net::UnixStream) -> std::io::Result<Vec<(String, OwnedFd)>> {
    let _ = from;
    todo!()
}
