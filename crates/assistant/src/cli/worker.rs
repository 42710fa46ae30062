//! `assistant worker`: answers and housekeeping, without listening anywhere.

use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::sync::Notify;

use super::{Failed, housekeeping, start};
use crate::settings::Settings;

/// Run answers and clear away what has had its time, until SIGTERM.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(Args {}: Args, settings: Settings) -> Result<(), Failed> {
    kit::logs::start("assistant", &settings.log_level);
    start::runtime()?.block_on(work_until_stopped(settings))
}

async fn work_until_stopped(settings: Settings) -> Result<(), Failed> {
    let drain = start::drain(&settings)?;
    let db = start::database(&settings).await?;
    let models = start::models(&settings);
    // Nobody asks this process for its health; the checks keep it from writing to a database that it does not fit.
    let _health = start::health(&db, &models, &drain);
    start::answers(&db, &settings, (models, start::metrics()), &Arc::new(Notify::new()), &drain);
    tokio::spawn(housekeeping::run(db, drain.clone()));
    tracing::info!(release = settings.release, instance = settings.instance, "working");
    if let Err(error) = kit::notify::ready() {
        tracing::warn!(%error, "the supervisor could not be told that this is ready");
    }
    drain.stopping().await;
    if !drain.finished().await {
        tracing::warn!("work was still running at the limit");
    }
    tracing::info!("stopped");
    Ok(())
}
