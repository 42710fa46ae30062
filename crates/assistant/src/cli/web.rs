//! `assistant web`: pages and the interface for programs. Also runs answers, as every process does.

use clap::Args as ClapArgs;
use kit::{
    live::Live,
    serve::{Bound, Listen},
};

use super::{Failed, first, start};
use crate::{
    accounts::Accounts,
    settings::Settings,
    upkeep::Upkeep,
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
    let listen = args.listen.unwrap_or_else(|| settings.listen.clone());
    start::runtime()?.block_on(serve_until_stopped(listen, settings))
}

async fn serve_until_stopped(listen: Listen, settings: Settings) -> Result<(), Failed> {
    let kit = start::kit(&settings)?;
    let db = start::database(&kit, &settings).await?;
    let accounts = Accounts::new(db.clone(), settings.secret_key.clone());
    let models = start::models(&kit, &settings);
    start::watch(&kit, &models);
    let live = Live::start(settings.database())
        .map_err(|error| Failed::to("the watcher of changes cannot start", error))?;
    let bound = Bound::bind(&listen).await.map_err(|error| Failed::Other(error.to_string()))?;
    // Only now: a process that cannot listen must not print a link.
    first::account(&accounts, &settings).await?;
    let wake = start::answers(&kit, &db, &settings, models);
    start::days(&kit, &db);
    tokio::spawn(Upkeep::new(db.clone(), &settings).run(kit.drain().clone()));
    let reporter = start::reporter(&kit, &settings);
    let app = App::new(Parts { kit: kit.clone(), db, live, reporter, accounts, wake }, &settings);
    tracing::info!(release = settings.release, instance = settings.instance, "starting to serve");
    let served = kit.serve_as_it_is(bound, app.router()).await;
    served.map_err(|error| Failed::to("serving", error))
}
