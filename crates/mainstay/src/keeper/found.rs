//! What a new keeper does with what it finds alive: the edge and its listeners, instances, jobs, one-offs.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use model::Explain;
use release::Layout;
use supervisor::{Found, Kind, Process, store::Store};

use super::{
    data_plane, ground::Ground, handover, instances::Care, jobs, listeners, oneoff, orders, past::Kept,
    world::Outside,
};

/// Bound: how long an edge may take to say whether it drains.
const ASK_LIMIT: Duration = Duration::from_secs(1);

pub(super) type Named = Vec<(String, OwnedFd)>;

/// The edges that a new keeper finds alive.
#[derive(Default)]
pub(super) struct Living {
    pub serving: Option<Process>,
    /// Those that drain or never came to serve.
    pub leaving: Vec<Process>,
}

/// Where the parent died with the keeper, edges that live have the only listeners: they are asked of them. Where none gives
/// them all are ended, since no other edge could serve beside listeners that nobody accepts from.
pub(super) async fn with_listeners(
    mut kept: Named,
    living: Living,
    store: Option<&Store>,
) -> (Named, Living) {
    let all: Vec<&Process> = living.serving.iter().chain(&living.leaving).collect();
    if all.is_empty() || kept.iter().any(|(name, _)| name.starts_with("http")) {
        return (kept, living);
    }
    for process in &all {
        let socket = edge::handback::socket(&data_plane::control_of(&process.spec().cwd));
        let asked = tokio::task::spawn_blocking(move || handover::ask(&socket)).await;
        if let Ok(Some(given)) = asked.map_err(std::io::Error::other).flatten() {
            tracing::info!(count = given.len(), "The edge gave the listeners back.");
            given.iter().for_each(|(name, fd)| listeners::keep(store, name, fd));
            kept.extend(given);
            return (kept, living);
        }
    }
    tracing::warn!("The edge that lives does not give its listeners back; it is replaced.");
    for process in all {
        jobs::end(process).await;
    }
    (kept, Living::default())
}

/// Which of the edges found serves; what is left of dead ones is removed. A keeper may have died while one replaced
/// another: the one that `now` names serves, and one that was told to drain never does again.
pub(super) async fn living_edges(ground: &Ground, edges: Vec<Found>) -> Living {
    let (mut open, mut leaving) = (Vec::new(), Vec::new());
    for process in living(ground, edges, &Kept::of_the_edge(&ground.folders.run)).await {
        let is_leaving = is_draining(&process).await;
        if is_leaving { &mut leaving } else { &mut open }.push(process);
    }
    let now = data_plane::now(&ground.folders.run);
    // Without its word the oldest: whatever came later was to take its place and has not.
    let at = open.iter().position(|process| process.spec().cwd == now).unwrap_or(0);
    let serving = (at < open.len()).then(|| open.remove(at));
    leaving.extend(open);
    Living { serving, leaving }
}

/// One that does not answer is not known to drain: whether it hangs is for others to find out.
async fn is_draining(process: &Process) -> bool {
    let control = edge::control::Client::new(data_plane::control_of(&process.spec().cwd)).timeout(ASK_LIMIT);
    control.status().await.is_ok_and(|status| status.draining)
}

/// The stations that live, the oldest first; what is left of dead ones is removed.
pub(super) async fn living_stations(ground: &Ground, stations: Vec<Found>) -> Vec<Process> {
    living(ground, stations, &Kept::of_the_station(&ground.folders.run)).await
}

/// Those that live; the others' ends are counted, and what is left of them is removed. A shim holds the end of its process
/// until it is forgotten, so that one that died while no keeper looked is found adopted.
async fn living(ground: &Ground, found: Vec<Found>, kept: &Kept) -> Vec<Process> {
    let mut living = Vec::new();
    for found in found {
        match found {
            Found::Adopted(process) => match process.exit() {
                Some(exit) => {
                    kept.ended_unseen(process.spec(), &exit);
                    jobs::forget(&process).await;
                }
                None => living.push(process),
            },
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
                Found::Adopted(process) => drop(tokio::spawn(async move { jobs::end(&process).await })),
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
        kept_secrets: spec.labels.get(orders::KEPT_SECRETS).map(Into::into),
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
