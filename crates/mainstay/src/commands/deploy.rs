//! `mainstay deploy`: puts a release into production.
//!
//! Reads the manifest, packs what it names, asks for the plan, sends the bytes, asks for the deploy, and watches it to its end.

mod built;
mod first;
mod pack;
mod plan;
pub(super) mod send;

use std::process::ExitCode;

use api::{
    client::Failure,
    deploy::{Request, What},
};
use clap::Args;
use model::{EnvName, Explain, ReleaseNumber, Site, Span, manifest::Manifest};

pub(super) use self::pack::IGNORE_FILE;
use self::pack::Packed;
use super::watch;
use crate::{
    output::line,
    session::{ManifestFile, Session, block_on},
};

/// Bound: how long one waits for a keeper that is to answer first.
const KEEPER_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Put a release into production
///
/// Packs the folder (or takes the archive) that mainstay.toml names, sends it, and lets the machine do the rest: plan,
/// lock, preflight, stage, migrate, start the new release beside the old one, gate it, switch to it, watch it bake, then
/// drain and stop the old one. Until the switch nothing changes for users; after it the old release is returned to at
/// once if the new one fails.
///
/// The deploy runs in Mainstay, not in this client: closing the terminal does not end it.
#[derive(Clone, Debug, Args)]
#[command(after_help = concat!("Examples:\n  mainstay deploy --dry-run\n  mainstay deploy\n  mainstay deploy --env staging --wait 10m\n  mainstay deploy --release 41\n\n", watch::exit_codes!()))]
pub struct Deploy {
    /// Say what would change, and change nothing (exit 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,

    /// Deploy a release that is on the machine already, by its number
    #[arg(long, value_name = "NUMBER")]
    pub release: Option<ReleaseNumber>,

    /// Wait this long for a lock that somebody holds, instead of failing with 75
    #[arg(long, value_name = "TIME")]
    pub wait: Option<Span>,

    /// Where too many releases are still draining, close the oldest one's connections by their rules
    #[arg(long)]
    pub drain_now: bool,

    /// Wait for the keeper, and deploy only if nothing of the app serves yet: what `up --deploy` asks for
    #[arg(long, hide = true)]
    pub first: bool,

    #[command(flatten)]
    pub watch: watch::DeployOptions,
}

impl Deploy {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(self.go(session))
    }

    async fn go(self, session: &Session) -> Result<ExitCode, Explain> {
        if self.first && serves_already(session).await? {
            return Ok(ExitCode::SUCCESS);
        }
        // Without a keeper nothing of what follows has a use; packing a large folder first would only tell it late.
        session.client.machine().await.map_err(Failure::explain)?;
        let (site, what, packed) = match self.release {
            Some(release) => (session.site().await?, What::Existing { release }, None),
            None => self.new_release(session).await?,
        };
        let request = Request { what, wait: self.wait, drain_now: self.drain_now };
        if self.dry_run {
            let plan = first::plan(session, &site, &request, packed.as_ref()).await?;
            return Ok(plan::show(session, &plan));
        }
        if let Some(packed) = &packed {
            if let Some(code) = first::refusal(session, &site, &request, packed).await? {
                return Ok(code);
            }
            send::send(session, packed).await?;
        }
        let ask = async |key: &_| session.client.deploy(&site, key, &request).await;
        watch::start(session, &site, ask, "Deploying", self.watch.leave()).await
    }

    async fn new_release(&self, session: &Session) -> Result<(Site, What, Option<Packed>), Explain> {
        let (file, manifest) = manifest_here(session, &session.env())?;
        if let Some(build) = manifest.release.build_on_client() {
            built::build(file.folder(), build, session).await?;
        }
        let packed = pack::pack(file.folder(), &manifest.release.source, session)?;
        if let Some(contents) = packed.contents.as_ref().filter(|_| !session.json()) {
            line(format!("Packed {}.", contents.words()));
        }
        // The keeper looks too: here it is told before a long upload.
        manifest.release.check_digest(&packed.artifact.digest)?;
        let what = What::New { manifest: file.text, artifact: packed.artifact.clone() };
        Ok((manifest.site(), what, Some(packed)))
    }
}

/// What a request would change where nothing has to be sent for it.
///
/// # Errors
/// The keeper's.
pub(super) async fn show_plan(
    session: &Session,
    site: &Site,
    request: &Request,
) -> Result<ExitCode, Explain> {
    let plan = first::plan(session, site, request, None).await?;
    Ok(plan::show(session, &plan))
}

/// The manifest of this folder, for this environment.
///
/// # Errors
/// There is none, it is wrong, or of another app than the one that is named.
pub(super) fn manifest_here(session: &Session, env: &EnvName) -> Result<(ManifestFile, Manifest), Explain> {
    let file = ManifestFile::needed()?;
    let manifest = super::config::read(session, &file, env)?;
    if let Some(app) = session.globals.app().filter(|app| **app != manifest.app) {
        return Err(Explain::new(
            "other-app",
            format!("{} is the manifest of `{}`, not of `{app}`", file.shown(), manifest.app),
        )
        .help("leave `--app` out, or go to the folder of the other app"));
    }
    Ok((file, manifest))
}

/// Waits until there is a keeper, then asks it whether the app of this folder serves.
async fn serves_already(session: &Session) -> Result<bool, Explain> {
    let site = session.site().await?;
    let until = tokio::time::Instant::now() + KEEPER_WITHIN;
    loop {
        match session.client.status(&site).await {
            Ok(status) => return Ok(status.serving.is_some() || status.recess.is_some()),
            Err(failure) if failure.is_unknown() => return Ok(false),
            Err(failure) if !failure.is_gone() || tokio::time::Instant::now() > until => {
                return Err(failure.explain());
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}
