//! `assistant user`: accounts, by whoever has the machine.

use std::io::Read;

use clap::Subcommand;
use kit::Private;

use super::{Failed, start};
use crate::{accounts::Accounts, settings::Settings};

/// Manage accounts.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an account. The password comes on standard input, so that no list of processes shows it.
    Add {
        name: String,
        /// Read the password from standard input (its first line). Needed: there is no other way.
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Time zone, such as Europe/Madrid. Default: ASSISTANT_ZONE.
        #[arg(long)]
        zone: Option<String>,
    },
}

pub(super) fn run(command: Command, settings: &Settings) -> Result<(), Failed> {
    let Command::Add { name, password_stdin: _, zone } = command;
    let zone = zone.unwrap_or_else(|| settings.zone.clone());
    if jiff::tz::TimeZone::get(&zone).is_err() {
        return Err(Failed::to(
            "the account was not made",
            format!("\"{zone}\" is no time zone; write one such as Europe/Madrid"),
        ));
    }
    let mut typed = String::new();
    // Bound: a password, not a file.
    std::io::stdin()
        .take(4_096)
        .read_to_string(&mut typed)
        .map_err(|error| Failed::to("the password cannot be read", error))?;
    let password = Private::new(typed.lines().next().unwrap_or_default().to_owned());
    start::runtime()?.block_on(async {
        let db = start::database(settings).await?;
        let accounts = Accounts::new(db, settings.secret_key.clone());
        let account = accounts
            .add(&name, password, &zone)
            .await
            .map_err(|error| Failed::to("the account was not made", error))?;
        println!("account {} was made, its time zone is {}", account.name, account.zone);
        Ok(())
    })
}
