//! `mainstay run`: a one-off command in the release that serves.

use std::process::ExitCode;

use api::{client::Failure, jobs::Run as Request};
use clap::Args;
use model::{Explain, ServiceName};

use super::attached;
use crate::session::{Session, block_on};

/// Run a command once, in the release that serves
///
/// As the app's user, in the release's folder, with the environment and secrets of a service. Input, output and Ctrl-C
/// are passed on as they are: what the command prints of secrets you will see. Ends with the command's own exit code;
/// 128 and the signal's number if a signal ended it. A command whose client is killed runs to its end; what it
/// writes from then on is in `logs/run` of the app's folder. One with a terminal is hung up.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay run -- node scripts/report.js > report.csv\n  mainstay run --tty -- python manage.py shell\n  \
    gunzip < dump.sql.gz | mainstay run --service worker -- sh -c 'psql \"$DATABASE_URL\"'"
)]
pub struct Run {
    /// Whose environment; the first service's unless said
    #[arg(long, value_name = "NAME")]
    pub service: Option<ServiceName>,

    /// With a terminal of its own, as large as this one: for shells and editors
    #[arg(short, long, conflicts_with = "json")]
    pub tty: bool,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

impl Run {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let terminal = attached::terminal(self.tty)?;
        block_on(async {
            let site = session.site().await?;
            let request = Request { argv: self.argv, service: self.service, terminal: terminal.clone() };
            let console = session.client.run(&site, &request).await.map_err(Failure::explain)?;
            attached::attached(session, console, terminal.as_ref()).await
        })
    }
}
