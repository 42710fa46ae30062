//! `mainstay up`: the keeper's parent where there is no systemd. A poll loop without a runtime that keeps named
//! descriptors, restarts the keeper, and passes a wish to end on to it.

use std::{ffi::OsString, os::fd::OwnedFd, path::PathBuf, process::ExitCode, time::Duration};

/// Exit status of a keeper that has drained and stopped all: its parent ends too instead of starting the next.
/// (`RestartPreventExitStatus=` in the unit.)
pub const EXIT_DOWN: u8 = 64;

#[derive(Debug)]
pub struct UpSettings {
    /// The run folder: the notify socket `<run>/up.notify` lies in it.
    pub run_dir: PathBuf,
    pub exe: machine::child::Executable,
    /// Arguments of the keeper after the program: `["keeper", "--data", …]`.
    pub keeper: Vec<OsString>,
    /// Descriptors from a keeper whose own parent died.
    pub store: Vec<(String, OwnedFd)>,
    /// A keeper that is silent for this long gets SIGABRT.
    pub watchdog: Duration,
}

/// Runs until the keeper ends with [`EXIT_DOWN`], or a second Ctrl-C.
///
/// SIGINT and SIGTERM to this process become SIGINT to the keeper, which means: drain, stop all, exit with
/// [`EXIT_DOWN`]. The second becomes a second SIGINT: stop at once; the third kills the keeper. A keeper that ends by
/// anything else is started again after 100 ms with all kept descriptors. The keeper shares stdout and stderr and is in
/// a process group of its own, so that a terminal's Ctrl-C reaches only this process.
pub fn main(settings: UpSettings) -> ExitCode {
    let _ = settings;
    todo!()
}
