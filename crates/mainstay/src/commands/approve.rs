//! `mainstay approve`: a deploy that another operator began may go on.

use std::process::ExitCode;

use api::client::Failure;
use clap::Args;
use model::{DeployId, Explain};

use crate::{
    output::{json, line},
    session::{Session, block_on},
};

/// Let a deploy go on that another operator began
///
/// With `[deploy] approval = true` a deploy waits, once it is staged, for an operator who did not begin it: a user of this
/// machine, or the owner of a key. Nobody's approval within 24 hours ends it. `mainstay status` names the deploy that waits, and
/// `mainstay events` who approved which.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay status\n  mainstay approve 01ARZ3NDEKTSV4RRFFQ69G5FAV\n  mainstay --host ana@app.example.com approve 01ARZ3NDEKTSV4RRFFQ69G5FAV"
)]
pub struct Approve {
    /// The deploy's id, as `status` and whoever began it say it
    pub deploy: DeployId,
}

impl Approve {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let site = block_on(async {
            let site = session.site().await?;
            session.client.approve(&site, self.deploy).await.map_err(Failure::explain)?;
            Ok(site)
        })?;
        if session.json() {
            json(&serde_json::json!({ "site": site, "approved": self.deploy }));
        } else {
            line(format!("Approved: the deploy of {site} goes on. `mainstay attach` watches it."));
        }
        Ok(ExitCode::SUCCESS)
    }
}
