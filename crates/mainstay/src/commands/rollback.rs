//! `mainstay rollback`: back to a release that was good.

use std::process::ExitCode;

use api::deploy::Rollback as Request;
use clap::Args;
use model::{Explain, ReleaseNumber};

use super::watch;
use crate::session::{Session, block_on};

/// Go back to the last stable release, or to a given one
///
/// While the old release is still warm this is one step of the edge and takes no time; else its instances are started,
/// checked and switched to like those of a deploy, with its own environment. Refused where its code cannot run on what
/// the database has become; the message says which way is open.
#[derive(Clone, Debug, Args)]
#[command(after_help = concat!("Examples:\n  mainstay rollback\n  mainstay rollback 41\n  mainstay rollback --with-secrets\n\n", watch::exit_codes!()))]
pub struct Rollback {
    /// The release's number; `mainstay releases` lists them
    pub release: Option<ReleaseNumber>,

    /// Its secrets, too: with the values that it was last started with, instead of today's
    ///
    /// They are kept with the release, encrypted to a key of this machine. What serves keeps them until it is restarted or
    /// another release takes its place: `restart`, `secrets rotate` and every deploy take today's values. The source of
    /// secrets is not changed.
    #[arg(long)]
    pub with_secrets: bool,

    #[command(flatten)]
    pub watch: watch::Options,
}

impl Rollback {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let request = Request { release: self.release, with_secrets: self.with_secrets };
            let ask = async |key: &_| session.client.rollback(&site, key, &request).await;
            watch::start(session, &site, ask, "Rolling back", self.watch.leave()).await
        })
    }
}
