//! `mainstay migrate`: the database's schema, and a migration that needs a person.

use std::process::ExitCode;

use api::{client::Failure, migrate::MigrateStatus};
use clap::{Args, Subcommand};
use model::Explain;

use super::watch;
use crate::{
    output::{json, line},
    session::{Session, block_on},
};

/// Show the database's schema, or decide about a migration that failed half-way
///
/// A migration that failed after it changed something holds the deploy: the old release serves on, and a person
/// decides. `retry` runs the migration again, `down` runs the manifest's `down_command`. `contract` ends what a migration
/// began that older code survives: it raises the floor, and is refused while a release below it could still serve.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay migrate status\n  mainstay migrate retry\n  mainstay migrate down\n  \
                  mainstay migrate contract"
)]
pub struct Migrate {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Show the schema's version, what code it bears, and what is held
    Status,
    /// Run the held migration again; then `deploy --release N` goes on with the release
    Retry(watch::Options),
    /// Run `down_command`: of a held migration, or of the release that serves, so that an older one may follow
    Down(watch::Options),
    /// Run `contract_command` of the release that serves: take away what only older releases needed, once none may return
    Contract(watch::Options),
}

impl Migrate {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            match self.what {
                What::Status => {
                    let status = session.client.migrate_status(&site).await.map_err(Failure::explain)?;
                    show(session, &status);
                    Ok(ExitCode::SUCCESS)
                }
                What::Retry(options) => {
                    let ask = async |key: &_| session.client.migrate_retry(&site, key).await;
                    watch::start(session, &site, ask, "Migrating again", options.leave()).await
                }
                What::Contract(options) => {
                    let ask = async |key: &_| session.client.migrate_contract(&site, key).await;
                    watch::start(session, &site, ask, "Contracting", options.leave()).await
                }
                What::Down(options) => {
                    let ask = async |key: &_| session.client.migrate_down(&site, key).await;
                    watch::start(session, &site, ask, "Migrating down", options.leave()).await
                }
            }
        })
    }
}

fn show(session: &Session, status: &MigrateStatus) {
    if session.json() {
        return json(status);
    }
    match &status.data {
        None => line("No release of this app states a schema."),
        Some(data) => line(format!(
            "The database is at schema {}; code of schema {} and above runs on it.",
            data.version, data.floor
        )),
    }
    if let Some(release) = status.serving {
        line(format!("Release {release} serves."));
    }
    if let Some(held) = &status.held {
        session.report.warning(held);
    }
}
