//! `assistant audit`: whether the record of sign-ins, exports and erasures is whole.

use clap::Subcommand;
use kit::{app::database::OpenError, sqlite::open_reader};

use super::Failed;
use crate::{
    audit::{self, Head},
    settings::Settings,
};

/// Look at the audit.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Check that no row was changed, removed or put in, and print the newest one. Written down elsewhere and given
    /// back with --head, it shows later that nothing up to it was cut off or written anew.
    Verify {
        /// A row that this printed before, such as 42:9f2c….
        #[arg(long, value_name = "ROW:HASH")]
        head: Option<String>,
    },
}

pub(super) fn run(command: &Command, settings: &Settings) -> Result<(), Failed> {
    let Command::Verify { head } = command;
    let known = head.as_deref().map(parse).transpose()?;
    let path = settings.database();
    let db = open_reader(&path).map_err(|error| OpenError::unusable(&path, error))?;
    let read = audit::verify(&db, known.as_ref());
    let checked = read.map_err(|error| Failed::to("the audit cannot be read", error))?;
    let newest = checked.map_err(|broken| Failed::to("the audit is not whole", broken))?;
    println!("the audit is whole; its newest row is {}:{}", newest.n, newest.hash);
    Ok(())
}

fn parse(text: &str) -> Result<Head, Failed> {
    let read = text.split_once(':').and_then(|(n, hash)| Some((n.parse().ok()?, hash)));
    let (n, hash) = read.ok_or_else(|| {
        Failed::Other(format!(
            "error: --head is what `assistant audit verify` printed, such as 42:9f2c…, not \"{text}\""
        ))
    })?;
    Ok(Head { n, hash: hash.to_owned() })
}
