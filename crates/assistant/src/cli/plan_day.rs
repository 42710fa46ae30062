//! `assistant plan-day`: looks ahead once and ends, for a schedule.

use clap::Args as ClapArgs;

use super::{Failed, start};
use crate::{day, settings::Settings};

/// Plan reminders and morning summaries of today and tomorrow, and end. What is planned already stays as it is, so this
/// may run as often as one likes; instants that a new database of time zones moves are moved.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(Args {}: Args, settings: &Settings) -> Result<(), Failed> {
    kit::logs::start("assistant", &settings.log_level);
    start::runtime()?.block_on(async {
        let db = start::opened(settings).await?;
        let planned = day::plan(&db).await.map_err(|error| {
            Failed::to("the day is not planned, what was planned before stays; run this again", error)
        })?;
        println!("planned for {} accounts; {} instants moved", planned.accounts, planned.moved);
        Ok(())
    })
}
