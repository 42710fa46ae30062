//! BAKE: the new release serves, the old one stays warm. What goes wrong now is returned from at once.

mod healing;

use std::time::Duration;

use model::{Explain, InstanceName, ServiceName, Span, Traffic, manifest::Manifest};
use tokio::time::Instant;

use self::healing::Healing;
use crate::{
    figures::{self, Baseline, Looks, Worse},
    gate::exits,
    run::{Halt, Run},
    smoke,
    state::Group,
    world::{Observed, PoolStatus, World},
};

/// Whose figures those of the new release are compared with.
pub(crate) enum OldSide {
    /// [`Run::before`]: of the ten minutes before the switch.
    Before,
    /// Of what serves the other clients, since it had counted this.
    SameMinutes(Baseline),
}

pub(crate) async fn bake<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let length = run.manifest.deploy.bake_time.0;
    watch(run, length, &OldSide::Before).await
}

/// Watches the new release for `length`; an error is what it did wrong.
pub(crate) async fn watch<W: World>(run: &mut Run<W>, length: Duration, old: &OldSide) -> Result<(), Halt> {
    let until = Instant::now() + length;
    let groups = run.brought();
    let questions = smoke::all(&run.manifest);
    let mut looks = Looks::default();
    let mut smoke_at = Instant::now() + run.at.settings.smoke_every;
    let mut healing = Healing::new(&run.manifest);
    loop {
        run.check_cancelled().map_err(Halt::Return)?;
        let is_over = Instant::now() >= until && healing.is_over();
        // An edge or a supervisor that does not answer says nothing about the release: look again.
        if let (Ok(observed), Ok(pools)) = (run.at.observed().await, run.at.pools().await) {
            healing.see(&groups, &observed, &pools);
            look(run, &groups, &observed, &pools, &healing).await?;
            compare(run, &groups, &pools, &mut looks, is_over, old)?;
            if is_over {
                tell(run, &groups, &pools, length);
                return Ok(());
            }
        } else if is_over {
            run.log.note(format!("watched for {}", Span(length)));
            return Ok(());
        }
        if Instant::now() >= smoke_at {
            for question in &questions {
                ask_twice(run, &groups, question).await?;
            }
            smoke_at = Instant::now() + run.at.settings.smoke_every;
        }
        run.pause().await;
    }
}

/// Crashes and lost readiness.
async fn look<W: World>(
    run: &mut Run<W>,
    groups: &[Group],
    observed: &[Observed],
    pools: &[PoolStatus],
    healing: &Healing,
) -> Result<(), Halt> {
    let now = exits(groups, observed);
    // Counted anew where the run folder was lost.
    run.before.exits = run.before.exits.min(now);
    if now > run.before.exits {
        return Err(crashed(run, groups, observed, pools).await);
    }
    let Some(name) = first_lost(&run.manifest, groups, pools, healing) else { return Ok(()) };
    let explain = Explain::new("release-unready", format!("{name} is no longer ready, {}", when(run)))
        .help(logs_of(run));
    Err(Halt::Return(run.with_evidence(explain, name, observed, pools).await))
}

/// The first instance whose probes fail as often in a row as makes it unready. One that is merely not ready yet is not
/// lost: an edge that was restarted begins to probe anew.
fn first_lost<'g>(
    manifest: &Manifest,
    groups: &'g [Group],
    pools: &[PoolStatus],
    healing: &Healing,
) -> Option<&'g InstanceName> {
    let lost = |group: &&Group, name: &InstanceName| {
        let service = manifest.services.get(&group.service);
        let probe = service.and_then(|service| service.probes.readiness.as_ref());
        let failures = probe.map_or(1, |probe| probe.failure_threshold);
        let pool = pools.iter().find(|p| p.id == group.pool());
        pool.is_some_and(|p| {
            p.upstreams.iter().any(|u| u.instance == *name && !u.ready && u.failures >= failures)
        })
    };
    let members = groups.iter().flat_map(|group| group.members.iter().map(move |m| (group, &m.name)));
    members.into_iter().find(|(group, name)| !healing.has(name) && lost(group, name)).map(|(_, name)| name)
}

/// What users got from the new release, beside what they got from the old one.
fn compare<W: World>(
    run: &Run<W>,
    groups: &[Group],
    pools: &[PoolStatus],
    looks: &mut Looks,
    is_last: bool,
    side: &OldSide,
) -> Result<(), Halt> {
    for (group, new) in of_groups(groups, pools) {
        if !looks.is_due(&group.service, new.answers) && !is_last {
            continue;
        }
        let old = old_traffic(run, &group.service, pools, side);
        if let Some(worse) = figures::judge(new, &old, &run.manifest.deploy.abort_if) {
            return Err(Halt::Return(explain(run, group, (new, &old, side), &worse)));
        }
    }
    Ok(())
}

fn old_traffic<W: World>(
    run: &Run<W>,
    service: &ServiceName,
    pools: &[PoolStatus],
    side: &OldSide,
) -> Traffic {
    let start = match side {
        OldSide::Before => return run.before.traffic.get(service).cloned().unwrap_or_default(),
        OldSide::SameMinutes(start) => start,
    };
    let now = figures::of_live(&run.at.books.read(), pools, |pool| &pool.traffic);
    now.get(service).zip(start.get(service)).map(|(now, start)| now.since(start)).unwrap_or_default()
}

fn of_groups<'a>(
    groups: &'a [Group],
    pools: &'a [PoolStatus],
) -> impl Iterator<Item = (&'a Group, &'a Traffic)> {
    let traffic = |group: &'a Group| {
        let pool = pools.iter().find(|pool| pool.id == group.pool())?;
        Some((group, &pool.traffic))
    };
    groups.iter().filter_map(traffic)
}

/// The reason with its figures, as the report keeps it.
fn explain<W: World>(
    run: &Run<W>,
    group: &Group,
    (new, old, side): (&Traffic, &Traffic, &OldSide),
    worse: &Worse,
) -> Explain {
    let minutes = match side {
        OldSide::Before => "in the ten minutes before the switch",
        OldSide::SameMinutes(_) => "in the same minutes",
    };
    let (release, service) = (group.release, &group.service);
    let old_name = run.task.from.map_or_else(|| "before".to_owned(), |from| format!("release {from}"));
    let (explain, ours, theirs, probability) = match worse {
        Worse::Errors { probability } => (
            Explain::new(
                "release-errs-more",
                format!("release {release} fails more requests, {}", when(run)),
            ),
            format!("{} from {} clients", figures::words(new), new.clients),
            figures::words(old),
            probability,
        ),
        Worse::Slow { probability } => (
            Explain::new("release-slower", format!("release {release} answers later, {}", when(run))),
            figures::first_byte_words(new),
            figures::first_byte_words(old),
            probability,
        ),
    };
    explain
        .caused_by(format!("{service} of release {release}: {ours}"))
        .caused_by(format!("{service} of {old_name}, {minutes}: {theirs}"))
        .caused_by(format!("the probability that this is no accident is {probability:.4}"))
        .help("`deploy.abort_if` says how much worse is too much; an app marks answers that failed for a service behind it by `X-Mainstay-Cause: upstream`")
}

/// The last line.
fn tell<W: World>(run: &mut Run<W>, groups: &[Group], pools: &[PoolStatus], length: Duration) {
    let what = if run.at.books.read().canary.is_some() { "canary" } else { "bake" };
    let length = Span(length);
    run.log.note(format!("watched for {length}"));
    let pool_of = |group: &Group| pools.iter().find(|pool| pool.id == group.pool());
    let asked = groups.iter().filter_map(|group| Some((group, pool_of(group)?)));
    let asked: Vec<String> = asked
        .filter(|(_, pool)| pool.traffic.answers + pool.foreign > 0)
        .map(|(group, pool)| {
            let figures = figures::words(&pool.traffic) + &figures::foreign_words(pool.foreign);
            format!("{}: {figures} in its {what} of {length}", group.service)
        })
        .collect();
    asked.iter().for_each(|line| run.log.note(line.clone()));
    run.report.extend(asked);
}

fn when<W: World>(run: &Run<W>) -> String {
    match run.at.books.read().canary {
        Some(weight) => format!("while {weight} % of the clients had it"),
        None => format!("within the bake time of {} after the switch", run.manifest.deploy.bake_time),
    }
}

async fn crashed<W: World>(
    run: &Run<W>,
    groups: &[Group],
    observed: &[Observed],
    pools: &[PoolStatus],
) -> Halt {
    let ours = |o: &&Observed| groups.iter().flat_map(|g| &g.members).any(|m| m.name == o.name);
    let Some(worst) = observed.iter().filter(ours).max_by_key(|o| o.own_exits()) else {
        return Halt::Return(
            Explain::new("release-crashed", "an instance of the new release ended").help(logs_of(run)),
        );
    };
    let explain = Explain::new("release-crashed", format!("{} ended by itself, {}", worst.name, when(run)))
        .help(logs_of(run));
    Halt::Return(run.with_evidence(explain, &worst.name, observed, pools).await)
}

/// Where to look for why a release failed its users.
fn logs_of<W: World>(run: &Run<W>) -> String {
    format!("read `mainstay logs --release {}`; mend it and deploy again", run.task.to)
}

/// One lost answer is no verdict: the second one is.
async fn ask_twice<W: World>(run: &Run<W>, groups: &[Group], question: &smoke::Question) -> Result<(), Halt> {
    if smoke::ask(run, &run.manifest, groups, question).await.is_ok() {
        return Ok(());
    }
    match smoke::ask(run, &run.manifest, groups, question).await {
        Err(error) if run.at.pools().await.is_ok() => Err(Halt::Return(error)),
        // An edge that says nothing says nothing about the release.
        _ => Ok(()),
    }
}
