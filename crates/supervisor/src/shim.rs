//! `mainstay shim <dir>`: the parent of one app. Holds its pipes, writes its log, keeps its exit status, and outlives
//! the keeper. std and libc only, one thread and a writer; no runtime, because there is one shim per process.

use std::{ffi::OsString, process::ExitCode};

/// Runs until the process has ended and the keeper said `forget`, or 24 h after the end. `args` is what follows
/// `mainstay shim`. To be called from the main thread before anything else is set up.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let _ = args;
    todo!()
}
