//! `mainstay releases`: what can be returned to.

use std::process::ExitCode;

use api::{client::Failure, status::Release};
use clap::Args;
use model::Explain;

use crate::{
    output::{bytes, json, line, moment, or_dash, table},
    session::{Session, block_on},
};

/// List the releases that are on the machine
///
/// Old ones are pruned by `keep_releases` and `keep_bytes` of the manifest; what serves, what drains and what a
/// rollback would return to is never pruned.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay releases\n  mainstay releases --env staging --json")]
pub struct Releases {}

impl Releases {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let releases = block_on(async {
            let site = session.site().await?;
            session.client.releases(&site).await.map_err(Failure::explain)
        })?;
        if session.json() {
            json(&releases);
        } else if releases.is_empty() {
            line("No release is here yet: `mainstay deploy` brings the first.");
        } else {
            line(render(&releases));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn render(releases: &[Release]) -> String {
    let row = |release: &Release| {
        let digest = release.digest.strip_prefix("sha256:").unwrap_or(&release.digest);
        vec![
            release.number.to_string(),
            release.state.clone(),
            moment(&release.created),
            release.operator.clone(),
            bytes(release.bytes),
            or_dash(release.schema),
            digest.chars().take(12).collect(),
        ]
    };
    table(
        &["RELEASE", "STATE", "CREATED", "BY", "SIZE", "SCHEMA", "SHA-256"],
        &releases.iter().map(row).collect::<Vec<_>>(),
    )
}
