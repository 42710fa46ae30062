//! `assistant export`: an account's data for whoever asks the operator for it.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::PathBuf};

use clap::Args as ClapArgs;
use kit::sqlite::Durability;

use super::{Failed, start};
use crate::{
    accounts::Accounts,
    attachments::store::Store,
    audit::{self, Action},
    export,
    settings::Settings,
};

/// Write everything of an account as one archive (tar), as its owner gets it from the settings page.
#[derive(ClapArgs)]
pub(super) struct Args {
    /// Name of the account.
    name: String,
    /// The archive; it must not be there yet.
    file: PathBuf,
}

pub(super) fn run(Args { name, file }: Args, settings: &Settings) -> Result<(), Failed> {
    start::runtime()?.block_on(async {
        let failed = |error: &dyn std::fmt::Display| Failed::to("nothing was exported", error);
        let db = start::opened(settings).await?;
        let accounts = Accounts::new(db.clone(), settings.secret_key.clone());
        let Some(who) = accounts.named(&name).await.map_err(|error| failed(&error))? else {
            return Err(failed(&format!("there is no account named {name}")));
        };
        let mut out =
            // Private: it holds all that somebody wrote.
            File::options().write(true).create_new(true).mode(0o600).open(&file).map_err(|error| failed(&format!("{}: {error}", file.display())))?;
        let (store, folder, id) = (Store::new(&settings.data), settings.data.clone(), who.id.clone());
        let written = db.read(move |db| export::write(db, &store, &who, &folder)).await;
        let copied = written.map_err(|error| error.to_string()).and_then(|(mut archive, _)| {
            io::copy(&mut archive, &mut out).and_then(|_| out.sync_all()).map_err(|error| error.to_string())
        });
        if let Err(error) = copied {
            // Half an archive is none.
            let _ = std::fs::remove_file(&file);
            return Err(failed(&error));
        }
        let record = db.write(Durability::Full, move |tx| audit::record(tx, &id, Action::Exported)).await;
        record.map_err(|error| Failed::to("the export was written, but not recorded in the audit", error))?;
        println!("everything of {name} is in {}", file.display());
        Ok(())
    })
}
