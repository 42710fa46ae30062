//! What the binary can do, one file for each.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use kit::config::Refused;

use crate::settings::Settings;

mod audit;
mod config;
mod erase;
mod export;
mod first;
mod housekeeping;
mod migrate;
mod openapi;
mod plan_day;
mod start;
mod user;
mod web;
mod worker;

/// Tasks, a journal and a chat that keep working without any vendor.
///
/// Settings come from the environment: `assistant config` lists them. With none of them, `assistant web` serves
/// http://127.0.0.1:3000 and keeps its data in ./data.
#[derive(Parser)]
#[command(name = "assistant", version, max_term_width = 100)]
struct Cli {
    /// Folder of the database; goes before ASSISTANT_DATA.
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Web(web::Args),
    Worker(worker::Args),
    PlanDay(plan_day::Args),
    #[command(subcommand)]
    Migrate(migrate::Command),
    #[command(subcommand)]
    User(user::Command),
    Export(export::Args),
    Erase(erase::Args),
    #[command(subcommand)]
    Audit(audit::Command),
    Openapi(openapi::Args),
    Config(config::Args),
}

/// Why a command ended badly: what to print on stderr.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Config(#[from] Refused),
    #[error("error: {0}")]
    Other(String),
}

impl Failed {
    /// `doing` is what was being done, in the words of whoever asked for it.
    fn to(doing: &str, cause: impl std::fmt::Display) -> Self {
        Self::Other(format!("{doing}: {cause}"))
    }
}

pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; nobody reads a closed pipe.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failed> {
    if let Command::Openapi(args) = cli.command {
        return openapi::run(args);
    }
    if let Command::Config(args) = cli.command {
        return config::run(args);
    }
    let mut settings = Settings::of_environment()?;
    if let Some(data) = cli.data {
        settings.data = data;
        settings.database_file = None;
    }
    match cli.command {
        Command::Web(args) => web::run(args, settings),
        Command::Worker(args) => worker::run(args, settings),
        Command::PlanDay(args) => plan_day::run(args, &settings),
        Command::Migrate(command) => migrate::run(command, &settings),
        Command::User(command) => user::run(command, &settings),
        Command::Export(args) => export::run(args, &settings),
        Command::Erase(args) => erase::run(args, &settings),
        Command::Audit(command) => audit::run(&command, &settings),
        Command::Openapi(_) | Command::Config(_) => Ok(()),
    }
}

/// The parts of `assistant web` put together for tests, without a socket or signals.
#[cfg(test)]
pub(crate) mod testing {
    use std::time::Duration;

    use kit::{Drain, Kit, Private, live::Live};

    use super::start;
    use crate::{
        accounts::Accounts,
        settings::Settings,
        web::{App, Parts},
    };

    pub(crate) const PASSWORD: &str = "correct horse";

    pub(crate) async fn app(settings: &Settings, users: &[&str]) -> App {
        let kit = Kit::new("assistant", Drain::new(Duration::from_secs(5)));
        let db = start::database(&kit, settings).await.expect("opens");
        let accounts = Accounts::new(db.clone(), None);
        for user in users {
            accounts.add(user, Private::new(PASSWORD.to_owned()), "Europe/Madrid").await.expect("adds");
        }
        let live = Live::start(settings.database()).expect("starts");
        let wake = start::answers(&kit, &db, settings, start::models(&kit, settings));
        start::days(&kit, &db);
        let reporter = start::reporter(&kit, settings);
        App::new(Parts { kit, db, live, reporter, accounts, wake }, settings)
    }
}
