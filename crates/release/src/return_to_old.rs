//! The way back after the switch: the pointer goes to the warm old release, the new one drains like any other.

use api::deploy::Outcome;
use model::{Explain, ReleaseNumber, ServiceName};

use crate::{
    abort,
    deploy::End,
    journal::Kind,
    layout::link_atomically,
    recess,
    relieve::{self, is_never_two},
    run::Run,
    start::fresh_group,
    state::{Group, Leaving, LeavingStage, Recess, State},
    table::has_pool,
    world::{PoolStatus, World},
};

/// Takes the new release back, once. Where the old side cannot serve either, nothing flaps: a person decides.
pub(crate) async fn take_back<W: World>(run: &mut Run<W>, why: Explain) -> End {
    let cancelled = run.cancel.is_cancelled();
    if !run.manifest.deploy.auto_rollback && !cancelled {
        let explain = why
            .now(format!("release {} serves on (`deploy.auto_rollback` is off)", run.task.to))
            .help("`mainstay rollback` returns to the last stable release");
        return keep_new(run, explain, false).await;
    }
    let pools = run.at.pools().await.unwrap_or_default();
    let returns = |old: &ReleaseNumber| match run.recreates() {
        true => recess::may_come_back(&run.at, Some(*old), run.at.books.read().schema).is_ok(),
        false => old_side_serves(run, &pools),
    };
    let Some(old) = run.task.from.filter(returns) else {
        if run.site_ends() {
            return stays_for_the_next_start(run, why);
        }
        let explain = why
            .now(format!("release {} serves on: there is no healthy old release to return to", run.task.to))
            .help("mend the release and deploy it; where deploys are paused `mainstay resume` allows them again");
        // A first release has nothing to flap to: its cure is the next deploy.
        return keep_new(run, explain, !cancelled && run.task.from.is_some()).await;
    };
    let at = run.at.clone();
    let pointer = at.pointer.lock().await;
    let label = at.books.change(State::fresh_generation);
    let label = label.unwrap_or_else(|_| at.books.read().next_generation);
    run.log.tell(Kind::ReturnIntent { generation: label, release: old, why: why.clone() });
    finish(run, label).await;
    drop(pointer);
    recess::bring_back(run).await;
    relieve::restore(&at).await;
    run.report.push(format!("release {} was taken back and drains", run.task.to));
    End {
        outcome: Outcome::RolledBack,
        error: Some(why.now(format!("release {old} serves all traffic again"))),
    }
}

/// Publishes the old side under `label` until the edge has it, then writes it down. The caller holds the pointer.
pub(crate) async fn finish<W: World>(run: &mut Run<W>, label: u64) {
    let at = run.at.clone();
    let (task, from) = (run.task.clone(), run.task.from);
    let recess = match run.recreates() {
        true => recess_of(run, label).await,
        false => None,
    };
    let back = |state: &mut State| {
        if state.generation != label {
            match recess.clone() {
                Some(recess) => state.switch_back_in_recess(recess, from, task.generation, task.deploy),
                None => state.switch_back(label, from, task.generation, task.deploy),
            }
            state.mark_failed(task.to);
        }
    };
    let mut next = State::clone(&at.books.read());
    back(&mut next);
    // Bound: the edge comes back or the keeper ends; there is nothing else to do than to ask it again.
    let epoch = loop {
        match at.publish_state(&next).await {
            Ok(served) => break served.epoch,
            Err(error) => {
                tracing::error!(site = %at.site, %error, "The edge does not take the old release back; again.")
            }
        }
        tokio::time::sleep(at.settings.tick).await;
    };
    let mut logged = false;
    // The books must follow the edge; on a full disk that is waited for, the old release serves meanwhile.
    while let Err(error) = at.books.change(back) {
        at.owed.failed(at.stamp(), &error);
        if !std::mem::replace(&mut logged, true) {
            tracing::error!(site = %at.site, %error, "The return cannot be written down; trying until it can.");
        }
        if run.site_ends() {
            run.is_owed = true;
            break;
        }
        tokio::time::sleep(at.settings.tick).await;
    }
    run.log.tell(Kind::ReturnDone { epoch });
    if let Some(old) = from
        && let Err(error) = link_atomically(&at.layout.current(), &at.layout.release(old))
    {
        tracing::warn!(%error, "The link `current` still names the new release.");
    }
    abort::keep_claims(run);
}

/// What starts again once the new release is gone, where nothing of the old one was kept warm.
async fn recess_of<W: World>(run: &Run<W>, label: u64) -> Option<(Recess, Vec<Group>)> {
    let at = &run.at;
    let old = run.task.from?;
    let manifest = at.manifest(old).ok()?;
    let taken = at.taken().await.unwrap_or_default();
    let state = at.books.read();
    let group = |service| {
        let count = state.instances(&manifest, service);
        let secrets_of = state.releases.get(&old).and_then(|record| record.secrets_of);
        Group { secrets_of, ..fresh_group(&state, &taken, (service, old), label, count) }
    };
    let recess = Recess { since: at.world.now().to_string(), generation: label, is_over: false };
    Some((recess, manifest.services.keys().map(group).collect()))
}

/// Whether the old release could serve again: each of its services is warm and ready, was left alone, or is started
/// anew because its successor takes its place.
fn old_side_serves<W: World>(run: &Run<W>, pools: &[PoolStatus]) -> bool {
    let Some(Ok(old)) = run.task.from.map(|from| run.at.manifest(from)) else { return false };
    let state = run.at.books.read();
    let serves = |service: &ServiceName| {
        let of_service = |l: &&Leaving| l.deploy == run.task.deploy && l.group.service == *service;
        match state.leaving.iter().filter(of_service).find(|l| l.stage == LeavingStage::Warm) {
            Some(Leaving { group, .. }) => {
                let pool = pools.iter().find(|p| p.id == group.pool());
                !has_pool(&old, service) || pool.is_some_and(|p| p.upstreams.iter().any(|u| u.ready))
            }
            None => {
                let left_alone = |g: &Group| g.service == *service && g.generation != run.task.generation;
                let follows = is_never_two(&old, service)
                    || is_never_two(&run.manifest, service)
                    || relieve::is_late(run, service);
                follows || state.live.iter().any(left_alone)
            }
        }
    };
    old.services.keys().all(serves)
}

/// Nothing is wrong with the release, and there is nothing to decide: it was only not watched long enough.
fn stays_for_the_next_start<W: World>(run: &mut Run<W>, why: Explain) -> End {
    let explain = why
        .now(format!(
            "release {} did not come to the end of its bake; the next `mainstay up` starts it again",
            run.task.to
        ))
        .help("deploy once more after that: then it is baked, and a rollback can return to it");
    let deploy = run.task.deploy;
    run.book(|state| state.let_go(deploy));
    abort::keep_claims(run);
    End { outcome: Outcome::Held, error: Some(explain) }
}

async fn keep_new<W: World>(run: &mut Run<W>, explain: Explain, pause: bool) -> End {
    if pause {
        let reason = format!("release {} failed its bake and there was nothing to return to", run.task.to);
        run.book(|state| state.paused = Some(reason));
    }
    let deploy = run.task.deploy;
    run.book(|state| state.let_go(deploy));
    abort::hold(run, explain, false).await
}
