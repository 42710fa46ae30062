//! `mainstay attach`: watch a deploy that somebody began.

use std::process::ExitCode;

use api::{client::Failure, deploy::Started};
use clap::Args;
use model::Explain;

use super::watch;
use crate::{
    output::line,
    session::{Session, block_on},
};

/// Watch the deploy that is at work, from its beginning to its end
///
/// Whoever began it, from whichever terminal; it ends with the exit code of the deploy. Where none is at work, the last
/// one is told again.
#[derive(Clone, Debug, Args)]
#[command(after_help = concat!("Example:\n  mainstay attach\n\n", watch::exit_codes!()))]
pub struct Attach {}

impl Attach {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let status = session.client.status(&site).await.map_err(Failure::explain)?;
            let underway = status.deploy.map(|deploy| Started { deploy: deploy.deploy, release: deploy.to });
            let last =
                status.last.and_then(|record| Some(Started { deploy: record.deploy, release: record.to? }));
            let Some(started) = underway.or(last) else {
                return Err(Explain::new("nothing-to-watch", format!("nothing was deployed to {site} yet"))
                    .help("`mainstay deploy` brings a release"));
            };
            if !session.json() {
                line(format!("Watching {site}: release {}", started.release));
            }
            watch::watch(session, &site, &started, watch::Leave::AtItsEnd).await
        })
    }
}
