//! An edge beside the one that serves, which takes its place once it serves the same.
//!
//! Both accept on the same listeners while both live, so that no connection in a queue is lost; only when the new one serves
//! the table and sees ready whatever the old one does is the old one told to drain. Until then the old one is what `now`
//! names, and what goes wrong ends the new one.

use std::{sync::Arc, time::Duration};

use edge::{
    Settings,
    control::{Client, Status},
    table::{PoolState, TableError},
};
use machine::failpoint;
use model::{Explain, Span};
use supervisor::{Process, Slot, SlotState};

use super::{Grounds, Places, Running, control_of, process};
use crate::keeper::{ground::Ground, instances::never_spawned, listeners::Listeners};

/// From the start of the new edge until it serves what the old one does; then the old one stays.
const LIMIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why the edge that lives is not what is wanted, in words; `None`: it is.
pub(super) fn reason(
    ground: &Ground,
    process: &Process,
    places: &Places,
    wanted: &Settings,
) -> Option<&'static str> {
    if process.spec().build.as_deref() != Some(ground.supervisor.build()) {
        return Some("the edge that runs is of another build than the keeper");
    }
    let other = places.has_other(wanted);
    other.then_some("other settings stand in machine.toml than the edge that runs was started with")
}

impl Grounds<'_> {
    /// Another edge in the place of `old`.
    /// # Errors
    /// The new one does not come to serve what the old one does; then it is ended, and nothing else has changed.
    pub(super) async fn replace(
        &self,
        listeners: &mut Listeners,
        old: &Process,
        old_places: &Places,
        token: &str,
    ) -> Result<Running, Explain> {
        let before = Client::new(control_of(&old_places.run));
        let places = Places::next(self.ground)?;
        let epoch = hand_over(&before, old_places, &places).await?;
        let settings = places.settings(&self.ground.machine, &listeners.doors, token);
        places.write(self.ground, &settings)?;
        failpoint::hit("edge-folder");
        let lent = listeners.lend(&places.page(), self.store)?;
        let edge = process::begin(self.ground, &places, &settings, &lent, None)?;
        let new = Client::new(&settings.control);
        if let Err(lacks) = self.serves(&edge, &new, &before, epoch).await {
            let explain = process::not_ready(self.ground, &places).await;
            lent.let_go_of_page(self.store);
            self.leaving.give_up(self.ground, edge);
            return Err(explain.caused_by(lacks));
        }
        failpoint::hit("edge-ready");
        places.point_now()?;
        failpoint::hit("edge-now");
        self.leaving.retire(self.ground, old.clone());
        Ok(Running { edge, settings, lent })
    }

    /// Until the new edge serves what the old one does; `Err`: what it lacks when its time is over.
    async fn serves(
        &self,
        edge: &Arc<Slot>,
        new: &Client,
        before: &Client,
        epoch: Option<u64>,
    ) -> Result<(), String> {
        let mut lacks = "it does not say that it is ready".to_owned();
        let served = async {
            let mut state = edge.state();
            let _ = state.wait_for(|state| !matches!(state, SlotState::Starting { process: None, .. })).await;
            failpoint::hit("edge-started");
            loop {
                if edge.up().await {
                    match lacking(new, before, epoch).await {
                        None => return,
                        Some(what) => lacks = what,
                    }
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, served).await.is_ok();
        if let Some(why) = never_spawned(&edge.state().borrow()) {
            return Err(why.to_owned());
        }
        if in_time { Ok(()) } else { Err(format!("{lacks}, within {}", Span(LIMIT))) }
    }
}

/// The table of the old edge, which both serve from here on: a keeper may have died between writing one and its word.
async fn hand_over(before: &Client, old: &Places, new: &Places) -> Result<Option<u64>, Explain> {
    let unread = |error: TableError| {
        Explain::new("table-not-handed-on", "the routing table cannot be handed on").because(&error)
    };
    let epoch = new.take_table(&old.run).map_err(unread)?;
    let Some(asked) = epoch else { return Ok(None) };
    if let Ok(status) = before.status().await
        && status.served.epoch < asked
        && let Err(error) = before.load_table(asked).await
    {
        // One that an older edge does not understand is served by the new one alone.
        tracing::warn!(%error, "The edge that runs does not take the last routing table.");
    }
    Ok(epoch)
}

/// What the new edge does not do that the old one does; an old one that is gone asks for nothing more.
async fn lacking(new: &Client, before: &Client, epoch: Option<u64>) -> Option<String> {
    let status = match new.status().await {
        Ok(status) => status,
        Err(error) => return Some(error.to_string()),
    };
    if epoch.is_some_and(|epoch| status.in_effect().epoch != epoch) {
        return Some(format!("it serves the table of epoch {}, not the last one", status.in_effect().epoch));
    }
    match before.status().await {
        Ok(before) => not_ready_there(&status, &before),
        Err(_) => None,
    }
}

/// An instance that is ready for the old edge and not for the new one.
fn not_ready_there(new: &Status, old: &Status) -> Option<String> {
    let open = old.pools.iter().filter(|pool| pool.state != PoolState::Draining);
    let mut ready =
        open.flat_map(|pool| pool.upstreams.iter().filter(|up| up.ready).map(move |up| (pool, up)));
    let (_, lost) = ready.find(|(pool, upstream)| {
        let there = new
            .pool(&pool.id)
            .and_then(|pool| pool.upstreams.iter().find(|known| known.process == upstream.process));
        there.is_none_or(|known| !known.ready)
    })?;
    Some(format!("{} is not ready for it", lost.name))
}
