//! `mainstay shim <dir>`: the parent of one app. Holds its pipes, writes its log, keeps its exit status, and outlives
//! the keeper.
//!
//! std and small libraries only, one thread and a writer; no runtime, because there is one shim per process. Never
//! decides anything: it stops when told and ends when forgotten. Begin with [`begin`] (from nothing to a running app),
//! then [`run`] (the loop).

mod app;
mod begin;
mod clients;
mod family;
mod files;
mod lines;
mod log;
mod output;
mod refused;
mod run;

pub(crate) use app::described;
pub(crate) use begin::through;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use crate::protocol::{self, Report};

/// Runs until the process has ended and the keeper said `forget`, or 24 h after the end. `args` is what follows
/// `mainstay shim`. To be called from the main thread before anything else is set up: what the app inherits lies from
/// descriptor 3 on, and the app dies with this thread.
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(dir) = args.next().map(PathBuf::from) else {
        eprintln!("usage: mainstay shim <dir>   (started by the keeper, not by hand)");
        return ExitCode::from(1);
    };
    match begin::begin(&dir) {
        Ok(begin::Begun::Running(run)) => {
            run.run();
            ExitCode::SUCCESS
        }
        Ok(begin::Begun::NotStarted(why)) => {
            report(&Report::NotStarted(why));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mainstay shim: {error}");
            report(&Report::Failed(error.to_string()));
            ExitCode::from(1)
        }
    }
}

/// Tells the keeper, who may be gone: the app does not depend on it.
fn report(report: &Report) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(&protocol::line(report));
    let _ = std::io::stdout().flush();
}
