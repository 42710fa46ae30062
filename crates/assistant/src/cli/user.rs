//! `assistant user`: accounts, by whoever has the machine.

use std::io::Read;

use clap::Subcommand;
use kit::Private;

use super::{Failed, first, start};
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
    /// Print a link with which somebody makes an account: name and password are theirs to choose. Works once, for a
    /// day; a link that was made before works no more.
    Link,
}

pub(super) fn run(command: Command, settings: &Settings) -> Result<(), Failed> {
    match command {
        Command::Add { name, password_stdin: _, zone } => add(&name, zone, settings),
        Command::Link => link(settings),
    }
}

fn link(settings: &Settings) -> Result<(), Failed> {
    start::runtime()?.block_on(async {
        let accounts = Accounts::new(start::opened(settings).await?, settings.secret_key.clone());
        let link = accounts.new_link().await.map_err(|error| {
            Failed::to("no link was made, and any that was made before still works", error)
        })?;
        println!("{}", first::sentence(&link, settings));
        Ok(())
    })
}

fn add(name: &str, zone: Option<String>, settings: &Settings) -> Result<(), Failed> {
    let zone = zone.unwrap_or_else(|| settings.zone.clone());
    if jiff::tz::TimeZone::get(&zone).is_err() {
        return Err(Failed::to(
            "the account was not made",
            format!("\"{zone}\" is no time zone; write one such as Europe/Madrid"),
        ));
    }
    let password = typed_password()?;
    start::runtime()?.block_on(async {
        let accounts = Accounts::new(start::opened(settings).await?, settings.secret_key.clone());
        let account = accounts
            .add(name, password, &zone)
            .await
            .map_err(|error| Failed::to("the account was not made", error))?;
        println!("account {} was made, its time zone is {}", account.name, account.zone);
        Ok(())
    })
}

fn typed_password() -> Result<Private<String>, Failed> {
    let mut typed = String::new();
    // Bound: a password, not a file.
    std::io::stdin()
        .take(4_096)
        .read_to_string(&mut typed)
        .map_err(|error| Failed::to("the password cannot be read", error))?;
    Ok(Private::new(typed.lines().next().unwrap_or_default().to_owned()))
}
