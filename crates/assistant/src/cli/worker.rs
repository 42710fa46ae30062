//! `assistant worker`: answers, reminders and housekeeping, without listening anywhere.

use clap::Args as ClapArgs;

use super::{Failed, housekeeping, start};
use crate::{settings::Settings, upkeep::Upkeep};

/// Run answers, tell reminders and clear away what has had its time, until SIGTERM.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(Args {}: Args, settings: Settings) -> Result<(), Failed> {
    start::runtime()?.block_on(work_until_stopped(settings))
}

async fn work_until_stopped(settings: Settings) -> Result<(), Failed> {
    let kit = start::kit(&settings)?;
    // Nobody asks this process for its health; the checks keep it from writing to a database that it does not fit.
    let db = start::database(&kit, &settings).await?;
    let models = start::models(&kit, &settings);
    start::watch(&kit, &models);
    start::answers(&kit, &db, &settings, models);
    start::days(&kit, &db);
    tokio::spawn(Upkeep::new(db.clone(), &settings).run(kit.drain().clone()));
    tokio::spawn(housekeeping::run(db, kit.drain().clone()));
    tracing::info!(release = settings.release, instance = settings.instance, "starting to work");
    kit.work().await;
    Ok(())
}
