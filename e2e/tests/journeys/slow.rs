//! System calls of a process that take longer than they do: `strace` holds each of them up.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use testkit::{mainstay::processes::signal, wait};

const ATTACH_LIMIT: Duration = Duration::from_secs(10);

/// As long as it lives each such call of a process, and of what it starts meanwhile, takes longer. For root alone.
pub(crate) struct SlowCalls(Child);

impl SlowCalls {
    /// `calls`: names with commas between them.
    ///
    /// # Panics
    /// When strace does not take hold of the process.
    pub(crate) fn of(pid: u32, calls: &str, each: Duration) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["--quiet=attach,exit", "--follow-forks", "--output=/dev/null"]);
        strace.arg(format!("--trace={calls}"));
        strace.arg(format!("--inject={calls}:delay_enter={}", each.as_micros()));
        strace.args(["--attach", &pid.to_string()]).stdin(Stdio::null());
        let strace = strace.spawn().expect("strace starts; `cargo xtask test` installs it");
        let tracer = strace.id().to_string();
        wait::until("strace holds the process, or it is gone", ATTACH_LIMIT, || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let by = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
            by.is_none_or(|by| by.trim() == tracer)
        });
        Self(strace)
    }
}

impl Drop for SlowCalls {
    fn drop(&mut self) {
        // It lets go of what it holds; a killed strace would leave what it had stopped to the kernel.
        signal(self.0.id(), Signal::INT);
        let _ = self.0.wait();
    }
}
