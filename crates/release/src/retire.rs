//! The end of a group that no longer serves: told if its manifest asks, drained by class, stopped, forgotten. Outside
//! the lock, one task a group; begun again by the next keeper wherever it was.

use std::time::Duration;

use model::manifest::{Drain, DrainHint};
use tokio::time::{Instant, timeout};

use crate::{
    commit::open_words,
    scene::Scene,
    state::{Group, Leaving, LeavingStage, State},
    table::has_pool,
    world::World,
};

/// Beyond its class deadlines a group gets this long until it is stopped whatever it holds.
const SLACK: Duration = Duration::from_secs(30);

/// Drains, stops and forgets one group; gives a line for the record. `None`: a rollback has claimed it.
pub(crate) async fn retire<W: World>(at: &Scene<W>, group: &Group) -> Option<String> {
    let manifest = at.manifest(group.release).ok();
    let drain = manifest.as_ref().map(|m| m.drain.clone()).unwrap_or_default();
    let routed = manifest.as_ref().is_some_and(|m| has_pool(m, &group.service));
    let still_leaving = |stage| move |l: &Leaving| l.group == *group && l.stage == stage;
    if at.books.read().leaving.iter().any(still_leaving(LeavingStage::Draining)) {
        hint(at, group, &drain.hint).await;
    }
    let cut = if routed { drained(at, group, &drain).await } else { None };
    // From here on: whoever takes the group out of the books meanwhile must not give its names to others.
    let _kept = at.stopping.keep(std::slice::from_ref(group));
    // Crash: until this is written a rollback may still take the group; after it nobody may.
    if !booked(at, |state| begin_stop(state, group)).await {
        return None;
    }
    if let Err(error) = at.publish().await {
        tracing::warn!(site = %at.site, %error, "The edge still knows a pool that is being stopped.");
    }
    machine::failpoint::hit("deploy-stop");
    let errors = at.stop_groups(std::slice::from_ref(group)).await;
    for error in &errors {
        // STOP never fails a good deploy: the record says what is left, and a person must look.
        tracing::error!(site = %at.site, %error, "An instance is not stopped.");
    }
    booked(at, |state| state.leaving.retain(|l| l.group != *group)).await;
    let cut = cut.map(|open| format!("; cut {open} at their time-outs")).unwrap_or_default();
    let end = match errors.first() {
        None => "is stopped".to_owned(),
        Some(error) => format!("is not stopped whole: {error}"),
    };
    Some(format!("{} of release {} {end}{cut}", group.service, group.release))
}

/// A change of the books that a full disk only delays: nobody is sent to this group, so it can wait for it.
async fn booked<W: World, T>(at: &Scene<W>, change: impl Fn(&mut State) -> T) -> T {
    // Bound: the disk takes it, or the site's tasks end; one try in a few ticks.
    loop {
        match at.books.change(&change) {
            Ok(answer) => return answer,
            Err(error) => {
                tracing::warn!(site = %at.site, %error, "A retirement waits until it can be written down.")
            }
        }
        tokio::time::sleep(at.settings.tick * 5).await;
    }
}

fn begin_stop(state: &mut State, group: &Group) -> bool {
    let Some(leaving) = state.leaving.iter_mut().find(|l| l.group == *group) else { return false };
    match leaving.stage {
        LeavingStage::Warm => false,
        LeavingStage::Draining | LeavingStage::Stopping => {
            leaving.stage = LeavingStage::Stopping;
            true
        }
    }
}

async fn hint<W: World>(at: &Scene<W>, group: &Group, hint: &DrainHint) {
    if *hint == DrainHint::None {
        return;
    }
    for member in &group.members {
        let told = at.world.hint(&at.site, &member.name, hint);
        match timeout(at.settings.smoke_limit, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(site = %at.site, %error, "An instance could not be told that it drains.")
            }
            Err(_) => {
                tracing::warn!(site = %at.site, instance = %member.name, "An instance does not take its drain hint.")
            }
        }
    }
}

/// The longest that any class may take.
pub(crate) fn longest(drain: &Drain) -> Duration {
    let websockets = drain.websocket_timeout.0 + drain.close_jitter.0;
    drain.http_timeout.0.max(drain.stream_timeout.0).max(websockets)
}

/// Waits until the edge holds nothing of the group, or its time is over; says what was left then.
async fn drained<W: World>(at: &Scene<W>, group: &Group, drain: &Drain) -> Option<String> {
    let until = Instant::now() + longest(drain) + SLACK;
    let mut changes = at.world.changes(&at.site);
    loop {
        let leaving = at.books.read().leaving.iter().find(|l| l.group == *group).cloned();
        let open = match at.pools().await {
            Ok(pools) => leaving.as_ref().and_then(|leaving| leaving.open(&pools)),
            // The edge is away, and with it what it held; wait until it says so.
            Err(_) => Some(api::status::Open { http: 1, ..Default::default() }),
        };
        let words = open.and_then(open_words);
        if leaving.is_none() || words.is_none() || Instant::now() >= until {
            return words;
        }
        let changed = async {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = timeout(at.settings.tick * 5, changed).await;
    }
}
