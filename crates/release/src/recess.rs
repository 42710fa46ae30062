//! RECESS, where `deploy.strategy` is `recreate`: what serves drains and is stopped before its successor starts, and starts
//! again where the successor fails. Nobody is served meanwhile: that is said beforehand, measured, and told afterwards.
//!
//! In the books the live groups are then those that would start again. Whatever ends the run asks [`bring_back`].

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use model::{
    Explain, InstanceName, ReleaseNumber, Span,
    manifest::{DrainHint, Manifest},
    schema::DataSchema,
};

use crate::{
    figures::{self, measured},
    journal::Course,
    open,
    preflight::schema_after,
    retire::{longest, retire},
    run::{Halt, Run},
    scene::Scene,
    start::fresh_group,
    state::{Group, Leaving, LeavingStage, Member, Recess, State},
    world::{InstanceState, PoolId, World},
};

/// Drains and stops what serves. A recess that a failed deploy has left goes on.
pub(crate) async fn begin<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let Some(old) = run.task.from else { return Ok(()) };
    wait_for_older(run).await?;
    if run.at.books.read().recess.is_none() {
        let old_manifest = run.at.manifest(old)?;
        let last = run.at.books.read().last_recess;
        run.log.warn(foretold(old, run.task.to, &old_manifest, last));
        let pools = run.at.pools().await?;
        run.before.traffic = figures::of_live(&run.at.books.read(), &pools, |pool| &pool.recent);
        let taken = run.at.taken().await?;
        let since = run.at.world.now().to_string();
        run.at.books.change(|state| {
            let generation = state.fresh_generation();
            let resting = resting(run, state, &taken, generation);
            state.begin_recess(Recess { since, generation, is_over: false }, resting, run.task.deploy);
        })?;
        // Crash: from here on the next keeper brings back what drains.
        run.at.publish().await?;
    }
    empty(run).await?;
    run.log.note(format!("release {old} is stopped"));
    Ok(())
}

/// Those that would start again: as many as there are now.
fn resting<W: World>(run: &Run<W>, state: &State, taken: &[InstanceName], generation: u64) -> Vec<Group> {
    let replaced = |group: &&Group| match &run.task.course {
        Course::Restart { service: Some(only), .. } => group.service == *only,
        _ => true,
    };
    let again = |group: &Group| {
        let count = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
        let fresh = fresh_group(state, taken, (&group.service, group.release), generation, count);
        Group { secrets_of: group.secrets_of, ..fresh }
    };
    state.live.iter().filter(replaced).map(again).collect()
}

/// What earlier deploys left draining ends while the old release still serves.
async fn wait_for_older<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let mut told = false;
    loop {
        let state = run.at.books.read();
        let Some(older) = state.leaving.first().filter(|_| state.recess.is_none()) else { return Ok(()) };
        run.check_going().map_err(|error| error.now(run.now_serving()))?;
        if !std::mem::replace(&mut told, true) {
            run.log.note(format!("waiting until release {} has drained", older.group.release));
            drain_now(run, &state).await;
        }
        run.pause().await;
    }
}

async fn drain_now<W: World>(run: &Run<W>, state: &State) {
    for leaving in state.leaving.iter().filter(|l| run.task.drain_now && l.left.is_none()) {
        if let Err(error) = run.at.world.drain_now(&run.at.site, &leaving.group.pool()).await {
            run.log.warn(error);
        }
    }
}

/// Waits until nothing of the old release is left.
async fn empty<W: World>(run: &Run<W>) -> Result<(), Halt> {
    drain_now(run, &run.at.books.read()).await;
    let left = run.deadline.saturating_duration_since(tokio::time::Instant::now());
    let stopped = async {
        tokio::select! {
            () = run.cancel.cancelled() => {}
            ended = tokio::time::timeout(left, stop_leaving(&run.at)) => {
                ended.unwrap_or_default().into_iter().for_each(|line| run.log.note(line));
            }
        }
    };
    stopped.await;
    run.check_going().map_err(Halt::Abort)
}

/// Retires everything that leaves, and waits for it; beside a retirement that goes on already it is only repeated.
async fn stop_leaving<W: World>(at: &Scene<W>) -> Vec<String> {
    let groups: Vec<Group> = at.books.read().leaving.iter().map(|l| l.group.clone()).collect();
    let lines = join_all(groups.iter().map(|group| retire(at, group))).await;
    lines.into_iter().flatten().collect()
}

/// The same, and what is still open when plain requests must have ended is closed: everybody waits for it.
async fn stop_leaving_soon<W: World>(at: &Scene<W>) {
    let leaving = at.books.read().leaving.clone();
    let limit = |l: &Leaving| at.manifest(l.group.release).map(|m| m.drain.http_timeout.0).ok();
    let limit = leaving.iter().filter_map(limit).max().unwrap_or_default();
    if tokio::time::timeout(limit, stop_leaving(at)).await.is_ok() {
        return;
    }
    for leaving in leaving.iter().filter(|leaving| leaving.left.is_none()) {
        if let Err(error) = at.world.drain_now(&at.site, &leaving.group.pool()).await {
            tracing::warn!(site = %at.site, %error, "What a stopped release holds is not closed early.");
        }
    }
    stop_leaving(at).await;
}

/// What became of what a recess had stopped.
pub(crate) enum Back {
    /// There was none.
    NoRecess,
    /// It was started again, or takes requests again: how it serves, as a sentence.
    Serves(String),
    /// It stays stopped.
    Stopped(Explain),
}

/// [`bring_back`] where a migration is held, or is to be, that of `new`: what they did is not known whole, so the old code
/// must bear their targets too.
pub(crate) async fn bring_back_held<W: World>(run: &mut Run<W>, new: Option<Arc<Manifest>>) -> Back {
    let state = run.at.books.read();
    let held = state.held_migration().and_then(|held| run.at.manifest(held.release).ok());
    let of_all = |data| held.iter().chain(&new).fold(data, |data, manifest| schema_after(manifest, data));
    match may_come_back(&run.at, state.serving, state.schema.map(of_all)) {
        Err(error) if state.recess.is_some() => Back::Stopped(error),
        _ => bring_back(run).await,
    }
}

/// Ends a recess whose run does not go through. Nothing of what the run started may still run.
pub(crate) async fn bring_back<W: World>(run: &mut Run<W>) -> Back {
    let at = Arc::clone(&run.at);
    let state = at.books.read();
    if state.recess.is_none() || run.site_ends() {
        return Back::NoRecess;
    }
    if let Err(error) = may_come_back(&at, state.serving, state.schema) {
        return Back::Stopped(error);
    }
    let Some(release) = state.serving else { return Back::NoRecess };
    let is_ready = end(&at).await;
    let how = match is_ready {
        true => format!("release {release} serves again"),
        false => format!("release {release} was started again and is not ready"),
    };
    match is_ready {
        true => run.log.note(how.clone()),
        false => run.log.warn(
            Explain::new("release-not-ready", how.clone())
                .help(format!("read `mainstay logs --release {release}`")),
        ),
    }
    ended(run, &state);
    Back::Serves(how)
}

/// Whether the code of a release that was stopped bears this database.
pub(crate) fn may_come_back<W: World>(
    at: &Scene<W>,
    stopped: Option<ReleaseNumber>,
    data: Option<DataSchema>,
) -> Result<(), Explain> {
    let Some(release) = stopped else { return Ok(()) };
    let code = at.manifest(release)?.migrate.as_ref().map(|migrate| migrate.code);
    match (code, data) {
        (Some(code), Some(data)) if !code.may_run_on(data) => {
            let message = format!("release {release} cannot run on schema {}", data.version);
            Err(Explain::new("schema-contract", message))
        }
        _ => Ok(()),
    }
}

/// Gives what still drains its requests back, starts the rest, and opens the site: when it is ready, and at last when it
/// should have been. `true`: it is.
pub(crate) async fn end<W: World>(at: &Arc<Scene<W>>) -> bool {
    let draining = still_drains(at).await;
    if !draining.is_empty() {
        write(at, |state| state.take_back_draining(&draining)).await;
        publish(at).await;
    }
    let is_ready = start_again(at).await;
    write(at, |state| state.recess = None).await;
    publish(at).await;
    is_ready
}

async fn publish<W: World>(at: &Scene<W>) {
    // Bound: the edge comes back or the keeper ends, whose next one begins here again.
    while let Err(error) = at.publish().await {
        tracing::error!(site = %at.site, %error, "The edge does not open the site again; once more.");
        tokio::time::sleep(at.settings.tick).await;
    }
}

async fn start_again<W: World>(at: &Arc<Scene<W>>) -> bool {
    stop_leaving_soon(at).await;
    let is_over = |state: &mut State| state.recess.iter_mut().for_each(|recess| recess.is_over = true);
    write(at, is_over).await;
    // Crash: the next keeper starts what is missing of what is live, and goes on here.
    open::revive(at).await;
    let ends = async {
        while !at.ending.load(Ordering::Relaxed) {
            tokio::time::sleep(at.settings.tick).await;
        }
    };
    tokio::select! {
        is_ready = open::comes_up(at) => is_ready,
        () = ends => false,
    }
}

/// What must be written down before anything goes on; a full disk is waited for.
async fn write<W: World>(at: &Scene<W>, change: impl Fn(&mut State)) {
    // Bound: the disk has room again or the keeper ends.
    while let Err(error) = at.books.change(&change) {
        tracing::error!(site = %at.site, %error, "The end of a recess cannot be written down; once more.");
        tokio::time::sleep(at.settings.tick).await;
    }
}

/// The pools of what serves that a recess drains, whose instances all run. What was told that it drains may have closed what
/// it needs: it is started anew.
async fn still_drains<W: World>(at: &Scene<W>) -> BTreeSet<PoolId> {
    let observed = at.observed().await.unwrap_or_default();
    let state = at.books.read();
    let runs =
        |member: &Member| observed.iter().any(|o| o.name == member.name && o.state == InstanceState::Up);
    let untold = |release| at.manifest(release).is_ok_and(|m| m.drain.hint == DrainHint::None);
    let last = state.leaving.last().map(|leaving| leaving.deploy);
    let drains = |leaving: &&Leaving| {
        let group = &leaving.group;
        Some(leaving.deploy) == last
            && leaving.stage == LeavingStage::Draining
            && leaving.left.is_none()
            && Some(group.release) == state.serving
            && group.members.iter().all(runs)
            && untold(group.release)
    };
    state.leaving.iter().filter(drains).map(|leaving| leaving.group.pool()).collect()
}

/// Tells how long nobody was served; nothing where `before` knows of no recess.
pub(crate) fn ended<W: World>(run: &mut Run<W>, before: &State) {
    let since = before.recess.as_ref().and_then(|recess| recess.since.parse::<Timestamp>().ok());
    let Some(since) = since.filter(|_| run.at.books.read().recess.is_none()) else { return };
    // By the wall clock, for people: it may have jumped.
    let took = Duration::try_from(run.at.world.now().duration_since(since)).unwrap_or_default();
    let took = Span(Duration::from_millis(took.as_millis().try_into().unwrap_or(u64::MAX)));
    if let Err(error) = run.at.books.change(|state| state.last_recess = Some(took)) {
        run.log.warn(error);
    }
    let line = format!("nobody was served for {} (`deploy.strategy` is \"recreate\")", measured(took.0));
    run.log.note(line.clone());
    run.report.push(line);
}

/// The downtime, before it begins.
pub(crate) fn foretold(
    from: ReleaseNumber,
    to: ReleaseNumber,
    old: &Manifest,
    last: Option<Span>,
) -> Explain {
    let message = format!("nobody is served from the stop of release {from} until release {to} is ready");
    let known = match last {
        Some(took) => format!("the last time that took {}", measured(took.0)),
        None => "how long that takes here is not known yet".to_owned(),
    };
    let drain = Span(longest(&old.drain));
    Explain::new("downtime", message)
        .caused_by("`deploy.strategy` is \"recreate\"")
        .caused_by(format!("{known}; what is open may take up to {drain} of it to end (`[drain]`)"))
        .help("`blue-green`, the default, serves on; it needs code that runs beside the old one")
}
