//! `mainstay cancel`: ends a deploy that is at work.

use std::process::ExitCode;

use api::client::Failure;
use clap::Args;
use model::Explain;

use crate::{
    output::{json, line},
    session::{Session, block_on},
};

/// Cancel the deploy that is at work
///
/// Before the switch the new release is stopped and nothing changes for users; in the switch and the bake the old one,
/// which is still warm, is returned to. From the drain on there is nothing left to cancel: that is refused, with the
/// reason. Works from any terminal, also when the client that began the deploy is gone.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay cancel\n  mainstay cancel --app assistant --env staging")]
pub struct Cancel {}

impl Cancel {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let cancelled = block_on(async {
            let site = session.site().await?;
            session.client.cancel(&site).await.map_err(Failure::explain)
        })?;
        if session.json() {
            json(&cancelled);
        } else {
            let end = cancelled.outcome.name();
            line(format!("Cancelling in {}: it will end {end}.", cancelled.phase.name()));
        }
        Ok(ExitCode::SUCCESS)
    }
}
