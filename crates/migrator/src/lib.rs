//! The migrator: moves a database by a folder of SQL files, or has Alembic or Prisma move it.
//!
//! It is the binary's verb `migrator`, which the keeper runs as a job: as the app's user, in the release, with the
//! environment and time limit of `[migrate]`. So no driver of a database is in the keeper, and a migration outlives it.
//! Owns the order of the files, what was applied and how each of them is applied. Never decides whether it may: that is
//! the deploy's. Begin with [`main`]; `sql.rs` is the story of the built-in one, `tools.rs` speaks to the others.

mod arguments;
mod sql;
mod tools;

use std::{ffi::OsString, process::ExitCode};

use arguments::{Arguments, Tool};
use model::Explain;

/// Bound: files of a folder, and rows that are read.
const STEPS_MAX: usize = 10_000;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Prints the schema's version on the last line.
    Status,
    Up,
    /// Back to this version.
    Down {
        to: u64,
    },
    /// What only older code needed goes.
    Contract,
}

/// Runs the verb to its end. An error is one sentence a line on standard error, which the deploy's report shows.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words = arguments.into_iter().map(|word| word.to_string_lossy().into_owned());
    let done = Arguments::parse(words).and_then(|arguments| match &arguments.tool {
        Tool::Sql { folder, database } => sql::run(folder, database, arguments.verb),
        Tool::Alembic { program } => tools::alembic::run(program, arguments.verb),
        Tool::Prisma { program } => tools::prisma::run(program, arguments.verb),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(explain) => {
            tell(&explain);
            ExitCode::FAILURE
        }
    }
}

fn tell(explain: &Explain) {
    eprintln!("error: {}", explain.message);
    explain.causes.iter().for_each(|cause| eprintln!("  caused by: {cause}"));
    explain.now.iter().for_each(|now| eprintln!("  now: {now}"));
    explain.help.iter().for_each(|help| eprintln!("  help: {help}"));
    eprintln!("  [{}]", explain.code);
}
