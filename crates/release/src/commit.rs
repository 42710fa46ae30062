//! DRAIN and COMMIT, the part inside the lock: the old release is let go, the new one is marked stable. What drains goes
//! on outside, per group, in `retire.rs`.

use std::num::NonZeroU32;

use api::status::Open;

use crate::{
    abort::keep_claims,
    journal::{Course, Kind},
    run::Run,
    state::{Scale, State},
    world::{PoolStatus, World},
};

/// The bake is over: what was warm may be told, drained and stopped.
pub(crate) async fn let_go<W: World>(run: &mut Run<W>) {
    run.log.tell(Kind::Baked);
    if let Err(error) = run.at.books.change(|state| state.let_go(run.task.deploy)) {
        run.log.warn(error);
    }
    let pools = run.at.pools().await.unwrap_or_default();
    let state = run.at.books.read();
    for leaving in state.leaving.iter().filter(|l| l.deploy == run.task.deploy) {
        let pool = pools.iter().find(|p: &&PoolStatus| p.id == leaving.group.pool());
        if let Some(open) = pool.and_then(|pool| open_words(pool.open)) {
            let line =
                format!("{} of release {} drains {open}", leaving.group.service, leaving.group.release);
            run.log.note(line.clone());
            run.report.push(line);
        }
    }
}

/// `3 streams, 1 WebSocket`; `None`: nothing is open.
pub(crate) fn open_words(open: Open) -> Option<String> {
    let word = |n: u64, one: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let words =
        [word(open.http, "request"), word(open.streams, "stream"), word(open.websockets, "WebSocket")];
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// A number of instances set by hand, from when they are there; the manifest's own number needs no override.
fn set_scale<W: World>(run: &Run<W>, state: &mut State) {
    let (Course::Grow { service, instances }
    | Course::Restart { service: Some(service), instances: Some(instances) }) = &run.task.course
    else {
        return;
    };
    let Some(manifest) = run.manifest.services.get(service).map(|s| s.instances) else { return };
    match NonZeroU32::new(*instances).filter(|instances| *instances != manifest) {
        Some(instances) => drop(state.scale.insert(service.clone(), Scale { instances, manifest })),
        None => drop(state.scale.remove(service)),
    }
}

/// What stays true of this release from now on. A failure is a warning: the release serves.
pub(crate) fn commit<W: World>(run: &Run<W>) {
    if let Err(error) = run.enter(api::deploy::Phase::Commit) {
        tracing::error!(%error, "A phase is not in the journal.");
    }
    let manifest = run.manifest.clone();
    let changed = run.at.books.change(|state| {
        set_scale(run, state);
        if matches!(run.task.course, Course::New { .. } | Course::Existing | Course::Warm) {
            state.mark_stable(run.task.to);
            // A number of instances set by hand ends when the manifest's own number changes.
            state.scale.retain(|service, scale| {
                manifest.services.get(service).is_some_and(|s| s.instances == scale.manifest)
            });
            if state.held.as_ref().is_some_and(|held| !held.migration) {
                state.held = None;
            }
        }
    });
    if let Err(error) = changed {
        run.log.warn(error);
    }
    keep_claims(run);
}
