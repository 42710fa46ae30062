//! How a supervised process ended: what `exit.json` holds and what waiters are told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The end of a process. A stored format (`exit.json`), read by the keeper of this version and the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub cause: Cause,
    /// The kernel's OOM killer took a process of its cgroup. Always false without a memory controller.
    pub oom: bool,
    /// A stop had been asked for before it ended: then neither status 143 nor SIGTERM is a failure.
    pub asked: bool,
    pub usage: Usage,
    /// Wall clock, milliseconds since 1970; for people.
    pub at_unix_ms: u64,
    /// A process of it did not die of SIGKILL: it is stuck in the kernel and lives on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It returned this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It never became the program that was asked for: exec, uid, folder; in words.
    NotStarted(String),
    /// Its shim died and took it along, or the machine went down: nobody saw the status.
    Lost,
}

/// What the process and its waited-for children used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub user_ms: u64,
    pub system_ms: u64,
    /// Largest resident set of one process.
    pub rss_max_bytes: u64,
}

impl Exit {
    /// An end that nobody witnessed, at `at_unix_ms`.
    pub fn lost(at_unix_ms: u64) -> Self {
        Self {
            cause: Cause::Lost,
            oom: false,
            asked: false,
            usage: Usage::default(),
            at_unix_ms,
            left_behind: false,
        }
    }

    /// Status 0, or an end that was asked for, by whichever status: apps without a handler die of SIGTERM at once.
    pub fn is_clean(&self) -> bool {
        self.asked || self.cause == Cause::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Code(code) => write!(f, "exited with status {code}")?,
            Cause::Signal(signal) => write!(f, "ended by {}", signal_name(*signal))?,
            Cause::NotStarted(why) => write!(f, "could not be started: {why}")?,
            Cause::Lost => f.write_str("was lost with its shim")?,
        }
        if self.oom { f.write_str(" (out of memory)") } else { Ok(()) }
    }
}

/// `SIGTERM` for 15; a bare number where Linux has no usual name.
pub fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal).ok().and_then(|n| n.checked_sub(1)).and_then(|n| NAMES.get(n));
    name.map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}
