//! `assistant migrate`: the database's versions, for people and for whoever deploys.

use clap::Subcommand;
use kit::{
    app::database::{OpenError, make_folder_of},
    sqlite::open_writer,
};

use rusqlite::Connection;

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
        /// Empty it, though there are accounts in it.
        #[arg(long)]
        yes: bool,
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
        Command::Down { to, yes } => {
            let target = to.unwrap_or_else(|| state.version.saturating_sub(1));
            if target == 0 && !yes {
                refuse_to_empty(&db, state.version)?;
            }
            let undone =
                MIGRATIONS.down(&mut db, target).map_err(|error| Failed::to("migrating down", error))?;
            report("undone", &undone, target);
        }
    }
    Ok(())
}

/// Version 0 holds nothing: whoever goes there says that they mean it.
fn refuse_to_empty(db: &Connection, version: u64) -> Result<(), Failed> {
    if version == 0 {
        return Ok(());
    }
    let counted = db.query_row("SELECT count(*) FROM accounts", [], |row| row.get::<_, u32>(0));
    match counted.map_err(|error| Failed::to("looking for accounts", error))? {
        0 => Ok(()),
        accounts => Err(Failed::to(
            "nothing was changed",
            format!(
                "version 0 has no tables, and {accounts} accounts with all that they wrote would be lost; export first what is to be kept, then add --yes"
            ),
        )),
    }
}

fn report(word: &str, versions: &[u64], now: u64) {
    if versions.is_empty() {
        println!("nothing to do, the database is at version {now}");
        return;
    }
    let versions: Vec<String> = versions.iter().map(u64::to_string).collect();
    println!("{word}: {}; the database is at version {now}", versions.join(", "));
}
