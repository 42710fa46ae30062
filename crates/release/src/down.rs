//! A site's end: for now (`mainstay down`, the next start brings it up again) or for good (`mainstay destroy`).

use std::time::Duration;

use model::Explain;
use tokio::time::Instant;

use crate::{
    commit::open_words,
    scene::{Scene, remove},
    state::{Group, Leaving, LeavingStage, State},
    world::{SiteTable, World},
};

/// Drains by class for at most `within`, then stops everything. The books keep what should run.
pub(crate) async fn down<W: World>(at: &Scene<W>, within: Duration) -> Result<(), Explain> {
    let state = at.books.read();
    let until = Instant::now() + within;
    drain_all(at, &state, until).await;
    let groups: Vec<Group> = state.groups().cloned().collect();
    let errors = at.stop_groups(&groups).await;
    at.books.change(|state| {
        state.down = true;
        state.leaving.clear();
        state.candidate.clear();
    })?;
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// Shows the edge a table in which everything drains, and waits for what is open.
async fn drain_all<W: World>(at: &Scene<W>, state: &State, until: Instant) {
    let mut leaving = state.clone();
    let deploy = model::DeployId(ulid::Ulid::nil());
    let stage = LeavingStage::Draining;
    let live = std::mem::take(&mut leaving.live);
    leaving.leaving.extend(live.into_iter().map(|group| Leaving { group, stage, deploy }));
    {
        let _pointer = at.pointer.lock().await;
        if let Err(error) = at.publish_state(&leaving).await {
            tracing::warn!(site = %at.site, %error, "The edge is not told that the site drains.");
        }
    }
    while Instant::now() < until {
        // An edge that does not answer says nothing about what it holds: it may be busy, or its successor adopts.
        let pools = at.pools().await;
        if pools.is_ok_and(|pools| pools.iter().all(|pool| open_words(pool.open).is_none())) {
            return;
        }
        tokio::time::sleep(at.settings.tick).await;
    }
}

/// Takes the site off the machine; with `with_data` also what a person or the app put there, its shared folder and its
/// secrets.
pub(crate) async fn destroy<W: World>(at: &Scene<W>, with_data: bool) -> Result<(), Explain> {
    let state = at.books.read();
    let empty =
        SiteTable { generation: state.next_generation, release: None, pools: Vec::new(), routes: Vec::new() };
    {
        let _pointer = at.pointer.lock().await;
        at.world.publish(&at.site, empty).await?;
    }
    let groups: Vec<Group> = state.groups().cloned().collect();
    if let Some(error) = at.stop_groups(&groups).await.into_iter().next() {
        return Err(error);
    }
    let kept = [at.layout.shared(), at.layout.secrets()];
    if with_data || !kept.iter().any(|path| path.exists()) {
        return remove(at.layout.root.clone()).await;
    }
    let root = &at.layout.root;
    let entries =
        std::fs::read_dir(root).map_err(|e| crate::layout::told("remove-failed", "read", root, &e))?;
    // Crash: the state goes first, so that nothing comes up again from what is left.
    remove(at.layout.state()).await?;
    for entry in entries.flatten().filter(|entry| !kept.contains(&entry.path())) {
        remove(entry.path()).await?;
    }
    Ok(())
}
