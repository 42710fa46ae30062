//! The keeper: the one process with policy. It serves the API, asks the rooms, and may die at any line.
//!
//! Owns no listener that strangers reach and opens no connection to the outside. Its start is observe, plan, act: the
//! first start is the same code with empty lists. Begin with [`run`]; `operations.rs` is what the API asks, `world.rs`
//! what the deploy machine asks.

mod args;
mod certificates;
mod counted;
mod data_plane;
mod edge_words;
mod ending;
mod found;
mod ground;
mod handover;
mod instances;
mod job_words;
mod jobs;
mod last_good;
mod life;
mod listener;
mod listeners;
mod log_lines;
mod log_names;
mod log_sweep;
mod not_starting;
mod obstacle;
mod oneoff;
mod operations;
mod orders;
pub(crate) mod past;
pub(crate) mod place;
mod printed;
pub(crate) mod secrets;
mod smoke;
mod standing;
mod start;
mod station;
mod tables;
mod ticket_seeds;
mod upgrade;
mod users;
pub(crate) mod webhooks;
mod workload;
mod world;

use std::{ffi::OsString, process::ExitCode};

use model::Explain;

use crate::config::folders::{Folders, Surroundings};

pub(crate) use args::KeeperArgs;

/// `mainstay keeper`: until somebody ends it.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let args = match KeeperArgs::parse(args) {
        Ok(args) => args,
        Err(code) => return code,
    };
    crate::logging::begin();
    let data = args.data.clone();
    upgrade::guard(&Folders::to_start(data.as_deref(), &Surroundings::of_this_process()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(start::keeper(args)),
        Err(error) => Err(Explain::new("no-runtime", "the keeper's runtime cannot be made").because(&error)),
    };
    match ended {
        Ok(code) => code,
        Err(explain) => {
            eprintln!("{}", crate::report::plain(&explain));
            not_starting::tell(data.as_deref(), &explain);
            // Not `EXIT_DOWN`: a keeper that could not start is no clean end. Its parent ends with this status if none
            // was ever ready, and tries again if one was.
            ExitCode::FAILURE
        }
    }
}

/// Whether a keeper holds the data folder.
pub(crate) fn runs(folders: &Folders) -> Result<bool, Explain> {
    // Taking the lock and letting it go at once: nobody else in this process has the file open.
    match place::keeper_lock(folders) {
        Ok(lock) => {
            drop(lock);
            Ok(false)
        }
        Err(explain) if explain.code == place::ALREADY_UP => Ok(true),
        Err(explain) => Err(explain),
    }
}

/// Whether the keeper that runs was started by a process that still lives. `None`: it does not answer.
pub(crate) fn has_parent(folders: &Folders) -> Option<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let asked = runtime.block_on(async {
        let call = net::client::Call::new("GET", api::paths::MACHINE);
        net::client::send(&net::client::Target::Unix(folders.api_socket()), call).await
    });
    let told =
        asked.ok().and_then(|answer| serde_json::from_slice::<api::machine::Machine>(answer.body()).ok());
    told.map(|machine| machine.has_parent)
}

pub(crate) use handover::take_over;
pub(crate) use upgrade::records as upgrades;
pub(crate) use workload::grant as grant_workload;
