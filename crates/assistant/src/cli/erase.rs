//! `assistant erase`: accounts erased again after a restore, or by whoever has the machine.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use kit::sqlite::Durability;

use super::{Failed, start};
use crate::{accounts::Accounts, attachments::store::Store, erase, settings::Settings};

/// Erase accounts: those that were erased before (--replay), or one as its owner would (--user).
#[derive(ClapArgs)]
#[group(required = true, multiple = false, id = "which")]
pub(super) struct Args {
    /// Erase again whoever is in the list of erased accounts. To be run after an older copy of the database was
    /// restored, before it is served.
    #[arg(long, group = "which")]
    replay: bool,
    /// Mark the account of this name; it is erased after seven days.
    #[arg(long, group = "which", value_name = "NAME")]
    user: Option<String>,
    /// Where the list is. Default: erased.jsonl in the data folder.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
}

pub(super) fn run(args: Args, settings: &Settings) -> Result<(), Failed> {
    start::runtime()?.block_on(async {
        match args.user {
            Some(name) => mark(&name, settings).await,
            None => replay(args.list, settings).await,
        }
    })
}

async fn replay(list: Option<PathBuf>, settings: &Settings) -> Result<(), Failed> {
    let list = list.unwrap_or_else(|| settings.data.join(erase::list::FILE));
    let failed = |error| Failed::to("erasing again stopped; run it again", error);
    let (db, store) = (start::opened(settings).await?, Store::new(&settings.data));
    let erased = erase::replay(&db, &store, &list).await.map_err(failed)?;
    if erased > 0 {
        erase::scrub::run(&db).await.map_err(failed)?;
    }
    println!("erased again: {erased} (by {})", list.display());
    Ok(())
}

async fn mark(name: &str, settings: &Settings) -> Result<(), Failed> {
    let failed = |error| Failed::to("nothing was marked", error);
    let db = start::opened(settings).await?;
    let accounts = Accounts::new(db.clone(), settings.secret_key.clone());
    let Some(who) = accounts.named(name).await.map_err(failed)? else {
        return Err(Failed::to("nothing was marked", format!("there is no account named {name}")));
    };
    let at = db.write(Durability::Full, move |tx| erase::ask(tx, &who)).await.map_err(failed)?;
    println!(
        "the account {name} is erased at {}; until then its owner can cancel that in the settings",
        kit::clock::rfc3339(at)
    );
    Ok(())
}
