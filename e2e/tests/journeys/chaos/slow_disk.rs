//! A disk whose fsync takes long, for one process and all that it starts: `strace` holds each call up.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use testkit::{mainstay::processes::signal, wait};

/// A disk that is busy with others takes as long.
const EACH_MS: u32 = 300;
const ATTACH_LIMIT: Duration = Duration::from_secs(10);

/// As long as it lives each fsync of `pid`, and of what it starts meanwhile, takes longer.
pub(super) struct SlowDisk(Child);

impl SlowDisk {
    /// # Panics
    /// When strace does not take hold of the process.
    pub(super) fn of(pid: u32) -> Self {
        let mut strace = Command::new("strace");
        strace.args([
            "--quiet=attach,exit",
            "--follow-forks",
            "--output=/dev/null",
            "--trace=fsync,fdatasync",
        ]);
        strace.arg(format!("--inject=fsync,fdatasync:delay_enter={}", EACH_MS * 1000));
        strace.args(["--attach", &pid.to_string()]).stdin(Stdio::null());
        let strace = strace.spawn().expect("strace starts; `cargo xtask test` installs it");
        let tracer = strace.id().to_string();
        wait::until("strace holds the keeper, or it is gone", ATTACH_LIMIT, || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let by = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
            by.is_none_or(|by| by.trim() == tracer)
        });
        Self(strace)
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // It lets go of what it holds; a killed strace would leave what it had stopped to the kernel.
        signal(self.0.id(), Signal::INT);
        let _ = self.0.wait();
    }
}
