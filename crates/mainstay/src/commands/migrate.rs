//! `mainstay migrate`: the database's schema, and a migration that needs a person.

use std::process::ExitCode;

use api::{
    client::Failure,
    migrate::{Found, MigrateStatus},
};
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
/// decides: `retry` looks at the database and, unless it was mended by hand, runs the migration again, `down` runs the
/// manifest's `down_command`, and the deploy of a mended release goes on from where the database is. `contract` ends what a migration
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
    /// Show the schema's version as it was known and as the database says it now, what code it bears, and what is held
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
    told(status).into_iter().for_each(line);
    if let Some(Found::Unreadable { why }) = &status.found {
        session.report.warning(why);
    }
    if let Some(held) = &status.held {
        session.report.warning(held);
    }
}

/// What is known, and what the database says itself where that is something else.
fn told(status: &MigrateStatus) -> Vec<String> {
    let mut lines = Vec::new();
    match &status.data {
        None => lines.push("No release of this app states a schema.".to_owned()),
        Some(data) => lines.push(format!(
            "The database is at schema {}; code of schema {} and above runs on it.",
            data.version, data.floor
        )),
    }
    if let Some(Found::At { version, half_done }) = &status.found {
        if status.data.is_some_and(|data| data.version != *version) {
            lines.push(format!(
                "Asked now, it says that it is at schema {version}: somebody has moved it by hand."
            ));
        }
        lines.extend(half_done.iter().map(|step| format!("{step} was begun, and did not come to its end.")));
    }
    lines.extend(status.serving.map(|release| format!("Release {release} serves.")));
    lines
}

#[cfg(test)]
mod tests {
    use model::schema::DataSchema;

    use super::*;

    #[test]
    fn what_the_database_says_itself_is_told_where_it_differs() {
        let said = |version, half_done: &[&str]| {
            let half_done = half_done.iter().map(|step| (*step).to_owned()).collect();
            let found = Some(Found::At { version, half_done });
            let data = Some(DataSchema { version: 2, floor: 1 });
            told(&MigrateStatus { data, serving: None, held: None, found }).join(" ")
        };
        assert!(!said(2, &[]).contains("Asked now"));
        assert!(said(1, &[]).contains("is at schema 2;") && said(1, &[]).contains("that it is at schema 1"));
        assert!(said(2, &["3_c.sql"]).contains("3_c.sql was begun"));
    }
}
