//! RELIEVE: services of which two may never run (`overlap = "never"`), after the switch. Each old one is gone before its
//! successor starts; a return does the same the other way round. No step of it, and no death between two, lets two run:
//! the books name a successor only when nothing of the service is left on the machine.

use std::sync::Arc;

use model::{
    DeployId, Explain, InstanceName, ReleaseNumber, ServiceName,
    manifest::{Manifest, Overlap, StartAt},
};
use tokio::time::Instant;
use ulid::Ulid;

use crate::{
    gate::{self, exits},
    journal::Kind,
    open::start_missing,
    recover::has_bake,
    run::{Halt, Run},
    scene::Scene,
    start::{self, concerned, fresh_group},
    state::Group,
    world::World,
};

/// Bound: what does not stop is asked so often before a person must look.
const STOPS_MAX: u32 = 3;

pub(crate) fn is_never_two(manifest: &Manifest, service: &ServiceName) -> bool {
    manifest.services.get(service).is_some_and(|service| service.overlap == Overlap::Never)
}

/// Whether this run starts the service only when its bake has ended well. A run without a bake, and one that stops the old
/// release first, has nothing to wait for.
pub(crate) fn is_late<W: World>(run: &Run<W>, service: &ServiceName) -> bool {
    let asks = run.manifest.services.get(service).is_some_and(|s| s.start_at == StartAt::AfterBake);
    asks && has_bake(&run.task.course) && !run.recreates()
}

/// Whether START leaves this service to RELIEVE: one of it is there, and the old or the new release forbids a second.
pub(crate) fn is_held_back<W: World>(run: &Run<W>, service: &ServiceName) -> bool {
    let state = run.at.books.read();
    // What rests in a recess is in the books and not on the machine.
    let runs = state.live.iter().filter(|group| !state.rests(group.generation));
    let there = runs.chain(state.leaving.iter().map(|l| &l.group));
    let mut there = there.filter(|group| group.service == *service).peekable();
    let forbids = |group: &Group| run.at.manifest(group.release).is_ok_and(|m| is_never_two(&m, service));
    there.peek().is_some() && (is_never_two(&run.manifest, service) || there.any(forbids))
}

/// # Errors
/// A service that must never run twice would become one that takes requests, or the other way round: either somebody
/// would find nobody there, or two would run.
pub(crate) fn keeps_its_kind<W: World>(at: &Scene<W>, new: &Manifest) -> Result<(), Explain> {
    let Some(Ok(old)) = at.books.read().serving.map(|release| at.manifest(release)) else { return Ok(()) };
    let changes = |service: &&ServiceName| {
        (is_never_two(new, service) && old.is_routed(service))
            || (is_never_two(&old, service) && new.is_routed(service))
    };
    match new.services.keys().find(changes) {
        None => Ok(()),
        Some(service) => Err(Explain::new(
            "singleton-changes",
            format!("{service} takes requests on one side of this deploy and has `overlap = \"never\"` on the other"),
        )
        .caused_by("while it changes either nobody would answer, or two would run")
        .help("give what must never run twice another name than the service that takes requests")),
    }
}

/// Whether something waits for its predecessor to go before the bake, or did when this run was interrupted.
pub(crate) fn is_due<W: World>(run: &Run<W>) -> bool {
    *run.log.phase.borrow() == api::deploy::Phase::Relieve || !awaited(run, false).is_empty()
}

/// The services of this run that have no instances of it yet; those of before its bake, or those of after it.
fn awaited<W: World>(run: &Run<W>, late: bool) -> Vec<ServiceName> {
    let brought = run.brought();
    let is_there = |service: &ServiceName| brought.iter().any(|group| group.service == *service);
    concerned(run).filter(|service| !is_there(service) && is_late(run, service) == late).cloned().collect()
}

pub(crate) async fn relieve<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let services = awaited(run, false);
    let groups = follow_all(run, services).await?;
    // The bake counts from here on.
    let observed = run.at.observed().await.map_err(Halt::Return)?;
    run.before.exits = exits(&groups, &observed);
    run.log.tell(Kind::Baseline { exits: run.before.exits, traffic: run.before.traffic.clone() });
    Ok(())
}

/// What waited for the end of the bake. The old release is still warm: a worker that does not come up returns to it.
pub(crate) async fn after_bake<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    // Crash: the bake is in the journal, so the next keeper begins here again, and waits for whom this one had started.
    if !concerned(run).any(|service| is_late(run, service)) {
        return Ok(());
    }
    let services = awaited(run, true);
    follow_all(run, services).await.map(drop)
}

/// Lets each come in the place of the one before it, and waits until all that this run has brought are ready.
async fn follow_all<W: World>(run: &mut Run<W>, services: Vec<ServiceName>) -> Result<Vec<Group>, Halt> {
    for service in services {
        run.check_cancelled().map_err(Halt::Return)?;
        follow(run, &service).await.map_err(Halt::Return)?;
    }
    let groups = run.brought();
    start::wait_until_up(run, &groups).await.map_err(after_the_switch)?;
    let until = Instant::now() + run.manifest.deploy.health_timeout.0;
    gate::be_ready(run, &groups, until).await.map_err(after_the_switch)?;
    Ok(groups)
}

/// The new release serves already.
fn after_the_switch(halt: Halt) -> Halt {
    match halt {
        Halt::Abort(error) => Halt::Return(error),
        other => other,
    }
}

/// The one that is there goes; then its successor comes.
async fn follow<W: World>(run: &Run<W>, service: &ServiceName) -> Result<(), Explain> {
    let at = &run.at;
    let gone = clear(at, service, run.task.deploy).await?;
    machine::failpoint::hit("relieve-cleared");
    let taken = at.taken().await?;
    let of = (service, run.task.to);
    let group = fresh_group(&at.books.read(), &taken, of, run.task.generation, run.wanted(service));
    let group = Group { secrets_of: run.task.secrets_of, ..group };
    at.books.change(|state| state.install(group.clone()))?;
    machine::failpoint::hit("relieve-booked");
    for member in &group.members {
        run.log.append(Kind::InstanceIntent { name: member.name.clone(), process: member.process })?;
        at.world.start_instance(start::order(run, member)).await?;
        run.log.note(match gone.first() {
            Some(old) => format!("{old} is stopped, {} takes its place", member.name),
            None => format!("{} is started", member.name),
        });
    }
    machine::failpoint::hit("relieve-started");
    Ok(())
}

/// Stops all there is of a service and takes it out of the books; gives who that was.
/// # Errors
/// Something of it is left: nothing may follow it.
async fn clear<W: World>(
    at: &Scene<W>,
    service: &ServiceName,
    deploy: DeployId,
) -> Result<Vec<InstanceName>, Explain> {
    let groups = at.books.change(|state| state.dismiss(service, deploy))?;
    if let Err(error) = at.publish().await {
        tracing::warn!(site = %at.site, %error, "The edge still knows a service that is being stopped.");
    }
    machine::failpoint::hit("relieve-stop");
    let mut errors = Vec::new();
    for _ in 0..STOPS_MAX {
        errors = at.stop_groups(&groups).await;
        if errors.is_empty() {
            break;
        }
    }
    let left = at.observed().await?.into_iter().find(|o| o.name.service == *service);
    if let Some(left) = left.map(|left| left.name) {
        let explain = Explain::new(
            "singleton-stays",
            format!("{left} does not end, and two of {service} may never run"),
        )
        .help(format!(
            "see `mainstay status` and the process itself; `mainstay restart {service}` tries again"
        ));
        return Err(errors.into_iter().fold(explain, |all, error| all.caused_by(error.to_string())));
    }
    at.books.change(|state| state.leaving.retain(|l| l.group.service != *service))?;
    Ok(groups.into_iter().flat_map(|group| group.members).map(|member| member.name).collect())
}

/// Gives what serves each of its services back that has no instances, one at a time: after a return, and where a keeper
/// before this one could not.
pub(crate) async fn restore<W: World>(at: &Arc<Scene<W>>) {
    let state = at.books.read();
    let Some(serving) = state.serving else { return };
    let Ok(manifest) = at.manifest(serving) else { return };
    let is_there = |service: &ServiceName| state.live.iter().any(|group| group.service == *service);
    for service in manifest.services.keys().filter(|service| !is_there(service)) {
        if let Err(error) = bring_back(at, &manifest, serving, service).await {
            tracing::error!(site = %at.site, %service, %error, "A service of what serves is not there.");
        }
    }
}

async fn bring_back<W: World>(
    at: &Scene<W>,
    manifest: &Manifest,
    release: ReleaseNumber,
    service: &ServiceName,
) -> Result<(), Explain> {
    let deploy = at.books.read().last_deploy.unwrap_or(DeployId(Ulid::generate()));
    clear(at, service, deploy).await?;
    let taken = at.taken().await?;
    let group = at.books.change(|state| {
        let generation = state.fresh_generation();
        let count = state.instances(manifest, service);
        let group = fresh_group(state, &taken, (service, release), generation, count);
        let group = Group { secrets_of: state.secrets_of(release, Some(service)), ..group };
        state.install(group.clone());
        group
    })?;
    for member in &group.members {
        start_missing(at, &group, member).await;
    }
    at.publish().await.map(drop)
}
