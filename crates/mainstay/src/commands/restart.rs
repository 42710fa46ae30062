//! `mainstay restart`: a rolling restart of the release that serves.

use std::process::ExitCode;

use api::{client::Failure, jobs::Restart as Request};
use clap::Args;
use model::{Explain, ServiceName};

use super::watch;
use crate::session::{Session, block_on};

/// Restart the instances of the release that serves, without a lost request
///
/// New instances are started beside the old ones, checked, switched to; the old ones drain. Secrets are read anew: this
/// is how a changed secret reaches an app.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay restart\n  mainstay restart worker      after a secret was changed"
)]
pub struct Restart {
    /// Only this service
    pub service: Option<ServiceName>,

    #[command(flatten)]
    pub watch: watch::Options,
}

impl Restart {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let request = Request { service: self.service.clone() };
            let ask = async |key: &_| session.client.restart(&site, key, &request).await;
            watch::start(session, &site, ask, "Restarting", self.watch.leave()).await
        })
    }
}

/// Exit code and words of a start that was refused.
pub(super) fn refused(session: &Session, failure: Failure) -> ExitCode {
    let locked = failure.is_locked();
    session.report.error(&failure.explain());
    ExitCode::from(if locked { api::deploy::EXIT_LOCKED } else { api::deploy::EXIT_USAGE })
}
