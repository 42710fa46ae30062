//! GATE: the new instances must be ready, stay so, and answer the smoke requests through the real path of the edge.

use std::{collections::BTreeMap, time::Duration};

use model::{Explain, InstanceName};
use tokio::time::Instant;

use crate::{
    journal::Course,
    run::{Halt, Run},
    smoke,
    start::refuse_broken,
    state::Group,
    table::has_pool,
    world::{InstanceState, Observed, PoolStatus, World},
};

/// Attempts of a smoke request while the gate's time lasts.
const SMOKE_TRIES: u32 = 3;

pub(crate) async fn gate<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let until = Instant::now() + run.manifest.deploy.health_timeout.0;
    let groups = run.brought();
    if groups.is_empty() {
        // All that it is about starts after the switch.
        return Ok(());
    }
    be_ready(run, &groups, until).await?;
    smoke_all(run, &groups, until).await
}

/// Shows these groups to the edge and waits until all of them are ready, and stay so.
pub(crate) async fn be_ready<W: World>(
    run: &mut Run<W>,
    groups: &[Group],
    until: Instant,
) -> Result<(), Halt> {
    let addresses = publish(run, until).await?;
    hold_ready(run, groups, addresses, until).await
}

type Addresses = BTreeMap<InstanceName, Option<String>>;

fn addresses(groups: &[Group], observed: &[Observed]) -> Addresses {
    let members = groups.iter().flat_map(|group| &group.members);
    let address = |name: &InstanceName| {
        let seen = observed.iter().find(|o| o.name == *name)?;
        Some(format!("{} {}", seen.process, seen.address.as_ref()?))
    };
    members.map(|m| (m.name.clone(), address(&m.name))).collect()
}

/// The edge begins to probe them.
async fn publish<W: World>(run: &mut Run<W>, until: Instant) -> Result<Addresses, Halt> {
    let observed = run.at.observed().await?;
    run.at.publish_until(until).await.map_err(|error| error.now(run.now_serving()))?;
    Ok(addresses(&run.brought(), &observed))
}

/// Waits until all are ready without a break for `min_healthy_time`.
async fn hold_ready<W: World>(
    run: &mut Run<W>,
    groups: &[Group],
    mut published: Addresses,
    until: Instant,
) -> Result<(), Halt> {
    let began = Instant::now();
    let mut ready_since: Option<(Instant, u64)> = None;
    let mut told: Vec<InstanceName> = Vec::new();
    let mut silence: Option<(Instant, Explain)> = None;
    loop {
        run.check_going().map_err(|error| error.now(run.now_serving()))?;
        let observed = run.at.observed().await.unwrap_or_default();
        refuse_broken(run, groups, &observed).await?;
        let now_at = addresses(groups, &observed);
        if now_at != published && run.at.publish().await.is_ok() {
            published = now_at;
        }
        let pools = run.at.pools().await.unwrap_or_else(|error| {
            silence = Some((Instant::now(), error));
            Vec::new()
        });
        let unready = first_unready(run, groups, &observed, &pools);
        for name in groups.iter().flat_map(|g| &g.members).map(|m| &m.name) {
            if !told.contains(name) && is_ready(run, name, groups, &observed, &pools) {
                told.push(name.clone());
                run.log.note(format!("{name} is ready ({:.1} s)", began.elapsed().as_secs_f64()));
            }
        }
        // A restart between two looks breaks the time, ready again or not.
        let exits = exits(groups, &observed);
        ready_since = match (unready, ready_since) {
            (Some(_), _) => None,
            (None, Some((since, before))) if before == exits => Some((since, before)),
            (None, _) => Some((Instant::now(), exits)),
        };
        let held = ready_since.map_or(Duration::ZERO, |(since, _)| since.elapsed());
        if ready_since.is_some() && held >= run.manifest.deploy.min_healthy_time.0 {
            warn_once(run, groups, &observed);
            return Ok(());
        }
        if Instant::now() >= until {
            // One that answers again had too little time to find them ready.
            let silence = silence.filter(|(at, _)| at.elapsed() <= run.manifest.deploy.min_healthy_time.0);
            return Err(match silence {
                Some((_, error)) if are_up(groups, &observed) => edge_silent(run, error),
                _ => not_ready(run, groups, unready.cloned(), &observed, &pools).await,
            });
        }
        run.pause().await;
    }
}

/// What the supervisor found and lets run; once, however many instances have it.
fn warn_once<W: World>(run: &Run<W>, groups: &[Group], observed: &[Observed]) {
    let ours = |o: &&Observed| groups.iter().flat_map(|g| &g.members).any(|m| m.name == o.name);
    let mut told = Vec::new();
    for warning in observed.iter().filter(ours).flat_map(|o| &o.warnings) {
        if !told.contains(&&warning.code) {
            told.push(&warning.code);
            run.log.warn(warning.clone());
        }
    }
}

fn are_up(groups: &[Group], observed: &[Observed]) -> bool {
    let is_up = |name: &InstanceName| {
        observed.iter().any(|seen| seen.name == *name && seen.state == InstanceState::Up)
    };
    groups.iter().flat_map(|group| &group.members).all(|member| is_up(&member.name))
}

/// The gate asks by way of the edge: where that says nothing, the app is not what failed.
fn edge_silent<W: World>(run: &Run<W>, error: Explain) -> Halt {
    let release = run.task.to;
    let message = format!("the edge did not say whether release {release} can serve");
    let explain = Explain::new("edge-silent", message)
        .caused_by(error.to_string())
        .caused_by(format!("the instances of release {release} are up; nothing is known against them"))
        .help(
            "deploy again once the edge answers: `mainstay status --machine` says how it is, logs/edge/edge.log in the data \
             folder why",
        );
    Halt::Abort(explain.now(run.now_serving()))
}

/// How often instances of these groups ended by themselves. One that went with its shim did not.
pub(crate) fn exits(groups: &[Group], observed: &[Observed]) -> u64 {
    let ours = |o: &&Observed| groups.iter().flat_map(|g| &g.members).any(|m| m.name == o.name);
    observed.iter().filter(ours).map(Observed::own_exits).sum()
}

fn is_ready<W: World>(
    run: &Run<W>,
    name: &InstanceName,
    groups: &[Group],
    observed: &[Observed],
    pools: &[PoolStatus],
) -> bool {
    let up = observed.iter().any(|o| o.name == *name && o.state == InstanceState::Up);
    let Some(group) = groups.iter().find(|g| g.service == name.service) else { return false };
    let by_edge = || {
        let pool = pools.iter().find(|p| p.id == group.pool());
        pool.is_some_and(|p| p.upstreams.iter().any(|u| u.instance == *name && u.ready))
    };
    up && (!has_pool(&run.manifest, &name.service) || by_edge())
}

/// The first instance that is not ready.
pub(crate) fn first_unready<'a, W: World>(
    run: &Run<W>,
    groups: &'a [Group],
    observed: &[Observed],
    pools: &[PoolStatus],
) -> Option<&'a InstanceName> {
    let names = groups.iter().flat_map(|g| &g.members).map(|m| &m.name);
    names.into_iter().find(|name| !is_ready(run, name, groups, observed, pools))
}

/// An instance more of what serves was gated beside it; in its own pool the edge probes them anew. A deploy that says
/// "done" means that they take requests; that they do not yet harms nobody.
pub(crate) async fn wait_for_grown<W: World>(run: &mut Run<W>) {
    let service = match &run.task.course {
        Course::Grow { service, .. } => service.clone(),
        Course::Recycle { instance } => instance.service.clone(),
        _ => return,
    };
    let until = Instant::now() + run.manifest.deploy.health_timeout.0;
    while Instant::now() < until {
        let live: Vec<Group> =
            run.at.books.read().live.iter().filter(|group| group.service == service).cloned().collect();
        if let (Ok(observed), Ok(pools)) = (run.at.observed().await, run.at.pools().await)
            && first_unready(run, &live, &observed, &pools).is_none()
        {
            return;
        }
        run.pause().await;
    }
    run.log.note(format!("not all instances of {service} take requests yet"));
}

async fn not_ready<W: World>(
    run: &Run<W>,
    groups: &[Group],
    unready: Option<InstanceName>,
    observed: &[Observed],
    pools: &[PoolStatus],
) -> Halt {
    let release = run.task.to;
    let limit = run.manifest.deploy.health_timeout;
    let explain =
        Explain::new("release-not-ready", format!("release {release} was not ready within {limit}"));
    let name = unready.or_else(|| groups.first().and_then(|g| g.members.first()).map(|m| m.name.clone()));
    let Some(name) = name else { return Halt::Abort(explain.now(run.now_serving())) };
    let explain = explain.help(format!(
        "read `mainstay logs {} --release {release}`; if it only needs longer, raise `deploy.health_timeout`",
        name.service
    ));
    Halt::Abort(run.with_evidence(explain, &name, observed, pools).await.now(run.now_serving()))
}

async fn smoke_all<W: World>(run: &mut Run<W>, groups: &[Group], until: Instant) -> Result<(), Halt> {
    for smoke in smoke::all(&run.manifest) {
        let mut tries = 0;
        loop {
            run.check_going().map_err(|error| error.now(run.now_serving()))?;
            let error = match smoke::ask(run, &run.manifest, groups, &smoke).await {
                Ok(said) => {
                    run.log.note(said);
                    break;
                }
                Err(error) => error,
            };
            tries += 1;
            if tries >= SMOKE_TRIES || Instant::now() >= until {
                if let Err(silence) = run.at.pools().await {
                    return Err(edge_silent(run, silence));
                }
                let first = groups.iter().find(|g| has_pool(&run.manifest, &g.service));
                let error = match first.and_then(|g| g.members.first()) {
                    Some(member) => run.with_evidence(error, &member.name, &[], &[]).await,
                    None => error,
                };
                return Err(Halt::Abort(error.now(run.now_serving())));
            }
            run.pause().await;
        }
    }
    Ok(())
}
