//! `assistant migrate`: the database's versions, for people and for whoever deploys.

use clap::Subcommand;
use kit::{
    app::database::{OpenError, make_folder_of},
    sqlite::open_writer,
};

use super::Failed;
use crate::{schema::MIGRATIONS, settings::Settings};

/// Move the database between versions.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Apply what is missing.
    Up,
    /// Go back one version, or to the one that is named. Loses what only the later ones can hold.
    Down {
        /// Version to end at; 0 empties the database.
        #[arg(long)]
        to: Option<u64>,
    },
    /// Show the version, the lowest code that may run on it, and the steps.
    Status,
    /// Print the version as a number.
    Version,
}

pub(super) fn run(command: Command, settings: &Settings) -> Result<(), Failed> {
    let path = settings.database();
    let reading = matches!(command, Command::Status | Command::Version);
    if reading && !path.exists() {
        // Asking must not make a database.
        println!(
            "{}",
            if matches!(command, Command::Version) { "0" } else { "version 0: there is no database yet" }
        );
        return Ok(());
    }
    make_folder_of(&path)?;
    let mut db = open_writer(&path).map_err(|error| OpenError::unusable(&path, error))?;
    let state = MIGRATIONS.state(&db).map_err(|error| OpenError::unusable(&path, error))?;
    match command {
        Command::Version => println!("{}", state.version),
        Command::Status => {
            println!(
                "version {}, code from schema {} on may run; this program is schema {}",
                state.version,
                state.floor,
                MIGRATIONS.schema()
            );
            for step in MIGRATIONS.steps {
                let applied = if step.version <= state.version { "applied" } else { "missing" };
                println!("  {:>4}  {applied}  {}", step.version, step.name);
            }
        }
        Command::Up => {
            let applied = MIGRATIONS.up(&mut db).map_err(|error| Failed::to("migrating up", error))?;
            report("applied", &applied, MIGRATIONS.schema());
        }
        Command::Down { to } => {
            let target = to.unwrap_or_else(|| state.version.saturating_sub(1));
            let undone =
                MIGRATIONS.down(&mut db, target).map_err(|error| Failed::to("migrating down", error))?;
            report("undone", &undone, target);
        }
    }
    Ok(())
}

fn report(word: &str, versions: &[u64], now: u64) {
    if versions.is_empty() {
        println!("nothing to do, the database is at version {now}");
        return;
    }
    let versions: Vec<String> = versions.iter().map(u64::to_string).collect();
    println!("{word}: {}; the database is at version {now}", versions.join(", "));
}
