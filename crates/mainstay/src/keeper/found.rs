//! What a new keeper does with what it finds alive: the edge and its listeners, instances, jobs, one-offs.

use std::{os::fd::OwnedFd, sync::Arc};

use model::Explain;
use release::Layout;
use supervisor::{Found, Kind, Process, store::Store};

use super::{
    data_plane::Places, ground::Ground, handover, instances::Care, jobs, listeners, oneoff, orders,
    past::Kept, world::Outside,
};

pub(super) type Named = Vec<(String, OwnedFd)>;

/// Where the parent died with the keeper, an edge that lives has the only listeners: they are asked of it. One that
/// does not give them is ended, since no other edge could serve beside it.
pub(super) async fn with_listeners(
    mut kept: Named,
    living: Option<Process>,
    places: &Places,
    store: Option<&Store>,
) -> (Named, Option<Process>) {
    let Some(process) = living else { return (kept, None) };
    if kept.iter().any(|(name, _)| name.starts_with("http")) {
        return (kept, Some(process));
    }
    let control = places.run.join("control.sock");
    let asked = tokio::task::spawn_blocking(move || handover::ask(&edge::handback::socket(&control))).await;
    match asked.map_err(std::io::Error::other).flatten() {
        Ok(Some(given)) => {
            tracing::info!(count = given.len(), "The edge gave the listeners back.");
            given.iter().for_each(|(name, fd)| listeners::keep(store, name, fd));
            kept.extend(given);
            (kept, Some(process))
        }
        Ok(None) | Err(_) => {
            tracing::warn!("The edge that lives does not give its listeners back; it is replaced.");
            if let Err(error) = process.stop().await {
                tracing::warn!(%error, "The edge could not be told to stop.");
            }
            process.wait().await;
            jobs::forget(&process).await;
            (kept, None)
        }
    }
}

/// Of the edges, or the stations, that were found, the one that lives; what is left of dead ones is removed.
pub(super) async fn only_living(ground: &Ground, all: Vec<Found>, kept: Kept) -> Option<Process> {
    let mut living = None;
    for found in all {
        match found {
            Found::Adopted(process) if living.is_none() && process.exit().is_none() => living = Some(process),
            Found::Adopted(process) => {
                // Two of what there is one of: the second is from a start that was cut. It goes.
                if let Err(error) = process.stop().await {
                    tracing::warn!(%error, "A surplus process could not be stopped.");
                }
            }
            Found::Ended { spec, exit } => {
                kept.ended_unseen(&spec, &exit);
                ground.supervisor.forget(&spec).await;
            }
        }
    }
    living
}

/// Takes hold of every instance and job that a keeper before this one started.
pub(super) async fn adopt(world: &Arc<Outside>, found: Vec<Found>) {
    for found in found {
        if world.jobs.remember(&world.ground.supervisor, &found) {
            continue;
        }
        if let Found::Adopted(process) = &found
            && process.spec().labels.contains_key(oneoff::ONE_OFF)
        {
            world.oneoffs.hold(process.clone());
            continue;
        }
        if let Err(error) = adopt_instance(world, &found).await {
            tracing::warn!(process = found.spec().name, %error, "A process has no place any more; it is stopped.");
            match found {
                Found::Adopted(process) => stop_and_forget(process),
                Found::Ended { spec, .. } => world.ground.supervisor.forget(&spec).await,
            }
        }
    }
}

/// An instance goes on under a slot of its own, made from its release's manifest as the first one was. Only what has no
/// release any more is refused: secrets and accounts are asked for when the next process needs them. One that ended by
/// itself while no keeper looked is started again by that slot.
async fn adopt_instance(world: &Arc<Outside>, found: &Found) -> Result<(), Explain> {
    let spec = found.spec();
    let unknown = |what: &str| Explain::new("not-an-instance", what.to_owned());
    if spec.kind != Kind::Instance {
        return Err(unknown("it is a job that nobody asks about"));
    }
    let site = spec.site.clone().ok_or_else(|| unknown("it names no site"))?;
    let name: model::InstanceName = spec.name.parse().map_err(|_| unknown("its name is no instance's"))?;
    if let Found::Ended { exit, .. } = found
        && exit.asked
    {
        world.ground.supervisor.forget(spec).await;
        return Ok(());
    }
    let layout = Layout::new(&world.ground.folders.data).site(&site);
    let text = std::fs::read(layout.manifest(name.release)).map_err(|_| unknown("its release is gone"))?;
    let manifest: model::manifest::Manifest =
        serde_json::from_slice(&text).map_err(|_| unknown("its release's manifest does not read"))?;
    let order = release::world::StartOrder {
        site: site.clone(),
        name: name.clone(),
        process: spec.id,
        manifest: Arc::new(manifest),
        release_dir: layout.files(name.release),
        shared_dir: layout.shared(),
    };
    let past = Kept::of_instance(&world.ground.folders.run, &site, &name);
    let adopted = match found {
        Found::Adopted(process) => Some(process.clone()),
        Found::Ended { spec, exit } => {
            past.ended_unseen(spec, exit);
            world.ground.supervisor.forget(spec).await;
            None
        }
    };
    let settings = orders::kept_slot(&world.ground, &order)?;
    let public = orders::public_bind(&order.manifest, &name);
    let care = Care { settings, public, past, adopted };
    world.instances.hold(&world.ground.supervisor, &site, &name, care);
    Ok(())
}

fn stop_and_forget(process: Process) {
    tokio::spawn(async move {
        if let Err(error) = process.stop().await {
            tracing::warn!(%error, "A process could not be told to stop.");
        }
        process.wait().await;
        jobs::forget(&process).await;
    });
}
