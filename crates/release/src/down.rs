//! A site's end: for now (`mainstay down`, the next start brings it up again) or for good (`mainstay destroy`).

use model::Explain;

use crate::{
    scene::{Scene, remove},
    state::Group,
    world::{SiteTable, World},
};

/// Stops everything. The books keep what should run, and the table of the edge stays: who drains is the edge, before.
pub(crate) async fn down<W: World>(at: &Scene<W>) -> Result<(), Explain> {
    let groups: Vec<Group> = at.books.read().groups().cloned().collect();
    let errors = at.stop_groups(&groups).await;
    at.books.change(|state| {
        state.down = true;
        state.leaving.clear();
        state.set_candidates(Vec::new());
    })?;
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// The first step of [`destroy`]: the edge takes no requests for the site any more.
/// # Errors
/// The edge did not say so; all of the site is still there.
pub(crate) async fn withdraw<W: World>(at: &Scene<W>) -> Result<(), Explain> {
    let generation = at.books.read().next_generation;
    let empty = SiteTable {
        generation,
        release: None,
        pools: Vec::new(),
        routes: Vec::new(),
        maintenance: None,
        notice: None,
    };
    let _pointer = at.pointer.lock().await;
    at.world.publish(&at.site, empty).await.map(drop)
}

/// Takes a site that was withdrawn off the machine; with `with_data` also what a person or the app put there, its shared
/// folder and its secrets.
pub(crate) async fn destroy<W: World>(at: &Scene<W>, with_data: bool) -> Result<(), Explain> {
    let groups: Vec<Group> = at.books.read().groups().cloned().collect();
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
