//! `mainstay promote`: what serves in one environment goes into another, as the same bytes.

use std::process::ExitCode;

use api::deploy::{Request, What};
use clap::Args;
use model::{EnvName, Explain, ReleaseNumber, Site, Span};

use super::{
    deploy::{self, manifest_here},
    watch,
};
use crate::session::{Session, block_on};

/// Put what serves in one environment into another
///
/// A deploy of the archive that serves there: the same digest, and nothing is packed or sent. Variables, secrets, instances and
/// routes are those that this folder's mainstay.toml has for the environment that it goes to. What is built on the server is built
/// again in its place, from the same lock files.
#[derive(Clone, Debug, Args)]
#[command(after_help = concat!("Examples:\n  mainstay promote staging production --dry-run\n  mainstay promote staging production\n\n", watch::exit_codes!()))]
pub struct Promote {
    /// The environment whose release it is
    pub from: EnvName,

    /// The environment that it goes to
    pub to: EnvName,

    /// Another release of FROM than the one that serves; its archive may be gone after an hour
    #[arg(long, value_name = "NUMBER")]
    pub release: Option<ReleaseNumber>,

    /// Say what would change, and change nothing (exit 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,

    /// Wait this long for a lock that somebody holds, instead of failing with 75
    #[arg(long, value_name = "TIME")]
    pub wait: Option<Span>,

    /// Where too many releases are still draining, close the oldest one's connections by their rules
    #[arg(long)]
    pub drain_now: bool,

    #[command(flatten)]
    pub watch: watch::DeployOptions,
}

impl Promote {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(self.go(session))
    }

    async fn go(self, session: &Session) -> Result<ExitCode, Explain> {
        if session.globals.env().is_some() {
            return Err(Explain::new(
                "env-named-twice",
                "`promote` names both environments, and `--env` a third time",
            )
            .help("leave `--env` out: `mainstay promote staging production`"));
        }
        if self.from == self.to {
            return Err(Explain::new("same-env", format!("{} is promoted to itself", self.from)).help(
                "name where it serves, and where it is to serve: `mainstay promote staging production`",
            ));
        }
        let (file, manifest) = manifest_here(session, &self.to)?;
        let site = Site { app: manifest.app, env: self.to };
        let what = What::Promoted { manifest: file.text, from: self.from, release: self.release };
        let request = Request { what, wait: self.wait, drain_now: self.drain_now };
        if self.dry_run {
            return deploy::show_plan(session, &site, &request).await;
        }
        let ask = async |key: &_| session.client.deploy(&site, key, &request).await;
        watch::start(session, &site, ask, "Promoting", self.watch.leave()).await
    }
}
