//! `mainstay exec`: a command beside a running instance.

use std::process::ExitCode;

use api::{client::Failure, jobs::Exec as Request};
use clap::Args;
use model::{Explain, InstanceName};

use super::attached;
use crate::session::{Session, block_on};

/// Run a command beside a running instance
///
/// As its user, in its release's folder, with its environment (`PORT` and secrets too) and limits of the same size; its
/// sockets are not passed on. Input, output, Ctrl-C and the exit code are as with `mainstay run`. `mainstay status`
/// names the instances.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay exec web.42.1 -- sh -c 'curl -s localhost:$PORT/health'\n  mainstay exec --tty web.42.1 -- sh"
)]
pub struct Exec {
    /// With a terminal of its own, as large as this one: for shells and editors
    #[arg(short, long, conflicts_with = "json")]
    pub tty: bool,

    /// Like `web.42.1`: service, release, number
    pub instance: InstanceName,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

impl Exec {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let terminal = attached::terminal(self.tty)?;
        block_on(async {
            let site = session.site().await?;
            let request = Request { instance: self.instance, argv: self.argv, terminal: terminal.clone() };
            let console = session.client.exec(&site, &request).await.map_err(Failure::explain)?;
            attached::attached(session, console, terminal.as_ref()).await
        })
    }
}
