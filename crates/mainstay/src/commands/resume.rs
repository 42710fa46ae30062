//! `mainstay resume`: deploys may go on.

use std::process::ExitCode;

use api::client::Failure;
use clap::Args;
use model::Explain;

use crate::{
    output::{json, line},
    session::{Session, block_on},
};

/// Allow deploys again after they were paused
///
/// Deploys of an app are paused when a release was taken back and the old one was not healthy either: another try by a
/// script would only make it flap. `mainstay status` shows the reason.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  mainstay resume")]
pub struct Resume {}

impl Resume {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let (site, held) = block_on(async {
            let site = session.site().await?;
            session.client.resume(&site).await.map_err(Failure::explain)?;
            let status = session.client.migrate_status(&site).await.map_err(Failure::explain)?;
            Ok((site, status.held))
        })?;
        match held {
            held if session.json() => {
                json(&serde_json::json!({ "resumed": site.to_string(), "held": held }));
            }
            None => line(format!("Deploys of {site} are allowed.")),
            Some(held) => {
                line(format!("No pause keeps deploys of {site} back, but a migration is held:"));
                session.report.warning(&held);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
