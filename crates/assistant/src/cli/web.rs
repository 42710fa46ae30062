//! `assistant web`: pages and the interface for programs. Also runs answers, as every process does.

use std::sync::Arc;

use clap::Args as ClapArgs;
use kit::{
    live::Live,
    serve::{Bound, Listen, serve},
};
use tokio::sync::Notify;

use super::{Failed, first, start};
use crate::{
    accounts::Accounts,
    settings::Settings,
    web::{App, Parts},
};

/// Serve pages and the HTTP interface until SIGTERM.
#[derive(ClapArgs)]
pub(super) struct Args {
    /// Where to listen: unix:/path or tcp:host:port. Goes before LISTEN, HOST and PORT; a socket that is handed over
    /// (LISTEN_FDS=1) goes before all.
    #[arg(long, value_name = "PLACE")]
    listen: Option<Listen>,
}

pub(super) fn run(args: Args, settings: Settings) -> Result<(), Failed> {
    kit::logs::start("assistant", &settings.log_level);
    let listen = args.listen.unwrap_or_else(|| settings.listen.clone());
    start::runtime()?.block_on(serve_until_stopped(listen, settings))
}

async fn serve_until_stopped(listen: Listen, settings: Settings) -> Result<(), Failed> {
    let drain = start::drain(&settings)?;
    let db = start::database(&settings).await?;
    let accounts = Accounts::new(db.clone(), settings.secret_key.clone());
    let models = start::models(&settings);
    let health = start::health(&db, &models, &drain);
    let live = Live::start(settings.database())
        .map_err(|error| Failed::to("the watcher of changes cannot start", error))?;
    let wake = Arc::new(Notify::new());
    let bound = Bound::bind(&listen).await.map_err(|error| Failed::Other(error.to_string()))?;
    // Only now: a process that cannot listen must not print a link.
    first::account(&accounts, &settings).await?;
    let place = bound.place();
    let metrics = start::metrics();
    start::answers(&db, &settings, (models, metrics.clone()), &wake, &drain);
    let parts = Parts { db, live, drain: drain.clone(), health, metrics, accounts, wake };
    let app = App::new(parts, &settings);
    tracing::info!(place, release = settings.release, instance = settings.instance, "serving");
    if let Err(error) = kit::notify::ready() {
        tracing::warn!(%error, "the supervisor could not be told that this is ready");
    }
    serve(bound, app.router(), &drain).await.map_err(|error| Failed::to("serving", error))?;
    tracing::info!("stopped");
    Ok(())
}
