//! `mainstay exec`: a command beside a running instance.

use std::process::ExitCode;

use api::{client::Failure, jobs::Exec as Request};
use clap::Args;
use model::{Explain, InstanceName};

use crate::session::{Session, block_on};

/// Run a command beside a running instance
///
/// As its user, in its release's folder, with its environment and its limits. `mainstay status` names the instances.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  mainstay exec web.42.1 -- ls -l /proc/self/fd")]
pub struct Exec {
    /// Like `web.42.1`: service, release, number
    pub instance: InstanceName,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

impl Exec {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let request = Request { instance: self.instance, argv: self.argv };
            let frames = session.client.exec(&site, &request).await.map_err(Failure::explain)?;
            super::run::print(session, frames).await
        })
    }
}
