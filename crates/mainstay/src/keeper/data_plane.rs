//! The edge as a process: adopted, replaced by one of this build and of machine.toml's settings, or started.

mod leaving;
mod places;
mod process;
mod replace;

use std::{path::PathBuf, sync::Arc};

use edge::Settings;
use model::Explain;
use supervisor::{Process, Slot, store::Store};

pub(crate) use self::{
    leaving::Leaving,
    places::{Places, SYSTEM, now},
    process::last_words,
};
use super::{
    counted::Counted,
    found::Living,
    ground::Ground,
    listeners::{Lent, Listeners},
};

/// The edge that serves, and what it was started with.
pub(crate) struct DataPlane {
    pub edge: Arc<Slot>,
    pub settings: Settings,
    pub lent: Lent,
    /// Those that served before it and drain.
    pub leaving: Leaving,
    /// What machine.toml or this build asks for and the edge does not do yet, in words.
    pub pending: Vec<String>,
}

/// What it takes to bring up an edge.
struct Grounds<'a> {
    ground: &'a Ground,
    store: Option<&'a Store>,
    leaving: &'a Leaving,
}

/// Takes care of the edge from now on. Crash: whatever step this keeper dies at, an edge accepts on every listener, and the
/// next keeper finds by `now` which one serves; the others drain.
/// # Errors
/// Its folders or settings cannot be written; it does not say that it is ready.
pub(crate) async fn start(
    ground: &Ground,
    store: Option<&Store>,
    mut listeners: Listeners,
    living: Living,
) -> Result<DataPlane, Explain> {
    let leaving = Leaving::default();
    living.leaving.into_iter().for_each(|process| leaving.retire(ground, process));
    let grounds = Grounds { ground, store, leaving: &leaving };
    let (running, pending) = match living.serving {
        Some(process) => grounds.take_over(&mut listeners, process).await?,
        None => (grounds.first(&mut listeners).await?, Vec::new()),
    };
    let Running { edge, settings, lent } = running;
    listeners.let_go_of_other_pages(store);
    places::remove_unused(ground, &settings, &leaving);
    watch(&edge, &lent, Counted::hung_edges(&ground.folders.run))?;
    Ok(DataPlane { edge, settings, lent, leaving, pending })
}

/// An edge that serves.
struct Running {
    edge: Arc<Slot>,
    settings: Settings,
    lent: Lent,
}

impl Grounds<'_> {
    /// Nothing serves: an edge in a folder of its own, with the table of the one before it.
    async fn first(&self, listeners: &mut Listeners) -> Result<Running, Explain> {
        let before = now(&self.ground.folders.run);
        let places = Places::next(self.ground)?;
        if let Err(error) = places.take_table(&before) {
            tracing::warn!(%error, "The last routing table cannot be read; the sites write theirs.");
        }
        let settings = places.settings(&self.ground.machine, &listeners.doors, &places::new_token()?);
        places.write(self.ground, &settings)?;
        let lent = listeners.lend(&places.page(), self.store)?;
        let edge = process::begin(self.ground, &places, &settings, &lent, None)?;
        process::ready(self.ground, &places, &edge).await?;
        places.point_now()?;
        Ok(Running { edge, settings, lent })
    }

    /// The edge that lives serves on where it is what is wanted, else another takes its place.
    async fn take_over(
        &self,
        listeners: &mut Listeners,
        process: Process,
    ) -> Result<(Running, Vec<String>), Explain> {
        let places = Places::of(self.ground, &process.spec().cwd);
        let token = places.token().map_or_else(places::new_token, Ok)?;
        let settings = places.settings(&self.ground.machine, &listeners.doors, &token);
        let mut pending: Vec<String> = listeners.pending(&self.ground.machine.listen).into_iter().collect();
        if let Some(why) = replace::reason(self.ground, &process, &places, &settings) {
            match self.replace(listeners, &process, &places, &token).await {
                Ok(running) => {
                    tracing::info!(why, "Another edge serves; the one before it drains.");
                    return Ok((running, pending));
                }
                Err(error) => pending.push(format!("{why}; it serves on, because {error}")),
            }
        }
        let lent = listeners.lend(&places.page(), self.store)?;
        places.make(self.ground)?;
        let edge = process::begin(self.ground, &places, &settings, &lent, Some(process))?;
        process::ready(self.ground, &places, &edge).await?;
        places.point_now()?;
        Ok((Running { edge, settings, lent }, pending))
    }
}

/// Replaces an edge that hangs, for as long as this keeper lives.
fn watch(edge: &Arc<Slot>, lent: &Lent, hung: Counted) -> Result<(), Explain> {
    let watched = lent.watched().map_err(|error| {
        Explain::new("no-pulse", "the page by which the edge is watched cannot be used").because(&error)
    })?;
    let aborted = move |process: &Process| {
        hung.count();
        tracing::error!(
            pid = process.pid(),
            "The edge lets connections wait and does not turn; it is replaced. What it held is lost."
        );
    };
    tokio::spawn(supervisor::hung::watch(Arc::clone(edge), watched, aborted));
    Ok(())
}

/// The control socket of the edge in that folder.
pub(crate) fn control_of(folder: &std::path::Path) -> PathBuf {
    folder.join("control.sock")
}
