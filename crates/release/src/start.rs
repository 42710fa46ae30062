//! START: the new instances beside the old ones. Users reach none of them yet.

use std::time::Duration;

use model::{Explain, InstanceName, ProcessId, ReleaseNumber, ServiceName};
use tokio::time::Instant;
use ulid::Ulid;

use crate::{
    journal::{Course, Kind},
    relieve,
    run::{Halt, Run},
    state::{Group, Member, State},
    world::{InstanceState, Observed, StartOrder, World},
};

/// Exits before it was up: the second one ends the deploy.
pub(crate) const EXITS_MAX: u64 = 2;

pub(crate) async fn start<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let taken = run.at.taken().await?;
    let groups = choose(run, &taken);
    run.at.books.change(|state| state.set_candidates(groups.clone()))?;
    for member in groups.iter().flat_map(|group| &group.members) {
        run.log.append(Kind::InstanceIntent { name: member.name.clone(), process: member.process })?;
    }
    let members = groups.iter().flat_map(|group| &group.members);
    let starts = members.map(|member| run.at.world.start_instance(order(run, member)));
    let started = futures_util::future::join_all(starts).await;
    if let Some(error) = started.into_iter().find_map(Result::err) {
        return Err(Halt::Abort(error.now(run.now_serving())));
    }
    wait_until_up(run, &groups).await
}

pub(crate) fn order<W: World>(run: &Run<W>, member: &Member) -> StartOrder {
    StartOrder {
        site: run.at.site.clone(),
        name: member.name.clone(),
        process: member.process,
        manifest: run.manifest.clone(),
        release_dir: run.release_dir(),
        shared_dir: run.at.layout.shared(),
        kept_secrets: run.kept_secrets(),
    }
}

/// Names for the new instances: beside those that live of the same release.
fn choose<W: World>(run: &Run<W>, taken: &[InstanceName]) -> Vec<Group> {
    let state = run.at.books.read();
    let beside = concerned(run).filter(|s| !relieve::is_held_back(run, s) && !relieve::is_late(run, s));
    let group = |service: &ServiceName| {
        let mut count = run.wanted(service);
        if matches!(run.task.course, Course::Grow { .. }) {
            let live =
                state.live.iter().filter(|g| g.service == *service).map(|g| g.members.len()).sum::<usize>();
            count = count.saturating_sub(u32::try_from(live).unwrap_or(u32::MAX));
        }
        let group = fresh_group(&state, taken, (service, run.task.to), run.task.generation, count);
        Group { secrets_of: run.task.secrets_of, ..group }
    };
    beside.map(group).collect()
}

/// The services that this run is about.
pub(crate) fn concerned<W: World>(run: &Run<W>) -> impl Iterator<Item = &ServiceName> {
    run.manifest.services.keys().filter(|service| match &run.task.course {
        Course::Restart { service: Some(only), .. } => only == *service,
        Course::Grow { service: grown, .. } => grown == *service,
        Course::Recycle { instance } => instance.service == **service,
        _ => true,
    })
}

/// So many instances of a service that were never there, with the secrets of the day.
pub(crate) fn fresh_group(
    state: &State,
    taken: &[InstanceName],
    (service, release): (&ServiceName, ReleaseNumber),
    generation: u64,
    count: u32,
) -> Group {
    let first = first_free(state, taken, service, release);
    let members = (first..first.saturating_add(count)).map(|n| Member {
        name: InstanceName { service: service.clone(), release, n },
        process: ProcessId(Ulid::generate()),
    });
    Group { service: service.clone(), release, generation, members: members.collect(), secrets_of: None }
}

fn first_free(state: &State, taken: &[InstanceName], service: &ServiceName, release: ReleaseNumber) -> u32 {
    let planned = state.groups().flat_map(|group| &group.members).map(|member| &member.name);
    let of_this = planned.chain(taken).filter(|name| name.service == *service && name.release == release);
    of_this.map(|name| name.n).max().unwrap_or(0).saturating_add(1)
}

/// The longest that any of these services may take from spawn to up.
fn limit<W: World>(run: &Run<W>, groups: &[Group]) -> Duration {
    let own = |group: &Group| {
        let startup = run.manifest.services.get(&group.service)?.probes.startup.as_ref()?;
        Some(startup.deadline.0)
    };
    groups.iter().filter_map(own).max().unwrap_or(run.at.settings.start_limit)
}

/// The supervisor counts the same deadline from the spawn, a moment later, and then says why: which port it listens on
/// instead, what the probe was answered. That is worth waiting for.
const VERDICT_WITHIN: Duration = Duration::from_secs(2);

pub(crate) async fn wait_until_up<W: World>(run: &mut Run<W>, groups: &[Group]) -> Result<(), Halt> {
    let limit = limit(run, groups);
    let began = Instant::now();
    let mut told: Vec<InstanceName> = Vec::new();
    loop {
        run.check_going().map_err(|error| error.now(run.now_serving()))?;
        let observed = run.at.observed().await.unwrap_or_default();
        refuse_broken(run, groups, &observed).await?;
        let members = || groups.iter().flat_map(|group| &group.members);
        let up =
            |name: &InstanceName| observed.iter().any(|o| o.name == *name && o.state == InstanceState::Up);
        for member in members().filter(|m| up(&m.name)) {
            if !told.contains(&member.name) {
                told.push(member.name.clone());
                run.log.note(format!("{} is up ({:.1} s)", member.name, began.elapsed().as_secs_f64()));
            }
        }
        let Some(late) = members().find(|m| !up(&m.name)) else { return Ok(()) };
        if began.elapsed() >= limit + VERDICT_WITHIN {
            let release = run.task.to;
            let explain = Explain::new(
                "release-not-started",
                format!("{} of release {release} was not up within {}", late.name, model::Span(limit)),
            )
            .help(format!(
                "read `mainstay logs {} --release {release}`; if it starts slowly, raise `probes.startup.deadline`",
                late.name.service
            ));
            let explain = run.with_evidence(explain, &late.name, &observed, &[]).await;
            return Err(Halt::Abort(explain.now(run.now_serving())));
        }
        run.pause().await;
    }
}

/// What no waiting mends: a fault that the supervisor found, or a second exit.
/// # Errors
/// [`Halt::Abort`] with the evidence.
pub(crate) async fn refuse_broken<W: World>(
    run: &Run<W>,
    groups: &[Group],
    observed: &[Observed],
) -> Result<(), Halt> {
    let ours = |o: &&Observed| groups.iter().flat_map(|g| &g.members).any(|m| m.name == o.name);
    for seen in observed.iter().filter(ours) {
        let release = run.task.to;
        let explain = if let Some(fault) = &seen.fault {
            fault.clone()
        } else if seen.exits >= EXITS_MAX {
            Explain::new(
                "release-crashes",
                format!("{} ended {} times while it started", seen.name, seen.exits),
            )
            .help(format!("read `mainstay logs {} --release {release}`", seen.name.service))
        } else {
            continue;
        };
        let explain = run.with_evidence(explain, &seen.name, observed, &[]).await;
        return Err(Halt::Abort(explain.now(run.now_serving())));
    }
    Ok(())
}
