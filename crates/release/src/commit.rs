//! DRAIN and COMMIT, the part inside the lock: the old release is let go, the new one is marked stable. What drains goes
//! on outside, per group, in `retire.rs`.

use std::num::NonZeroU32;

use api::status::Open;
use model::{
    ReleaseNumber,
    manifest::{Manifest, MigrateStep},
};

use crate::{
    abort::keep_claims,
    environment,
    journal::Course,
    recycle,
    run::Run,
    state::{Scale, State},
    world::World,
};

/// The bake is over: what was warm may be told, drained and stopped.
pub(crate) async fn let_go<W: World>(run: &mut Run<W>) {
    let deploy = run.task.deploy;
    run.book(|state| state.let_go(deploy));
    let pools = run.at.pools().await.unwrap_or_default();
    let state = run.at.books.read();
    for leaving in state.leaving.iter().filter(|l| l.deploy == run.task.deploy) {
        if let Some(open) = leaving.open(&pools).and_then(open_words) {
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
fn set_scale(course: &Course, manifest: &Manifest, state: &mut State) {
    let (Course::Grow { service, instances }
    | Course::Restart { service: Some(service), instances: Some(instances) }) = course
    else {
        return;
    };
    let Some(manifest) = manifest.services.get(service).map(|s| s.instances) else { return };
    match NonZeroU32::new(*instances).filter(|instances| *instances != manifest) {
        Some(instances) => drop(state.scale.insert(service.clone(), Scale { instances, manifest })),
        None => drop(state.scale.remove(service)),
    }
}

/// A release that serves is the cure of what was held; but for a contract step, which may be its own now, and mended.
fn follow_with_what_is_held(state: &mut State, manifest: &Manifest, release: ReleaseNumber) {
    state.held = state.held.take().filter(|held| held.migration);
    let contracts = manifest.migrate.as_ref().is_some_and(|m| m.words(MigrateStep::Contract).is_some());
    if let Some(held) = state.held.as_mut().filter(|held| held.contract && contracts) {
        held.release = release;
    }
}

/// Who may go on alone from here: a deploy's manifest says it, which was approved if that had to be. A way back takes no
/// approval away, else whoever may return could do without it.
fn follow_with_approval(state: &mut State, verb: &str, to: &Manifest, from: Option<&Manifest>) {
    let asked_before = state.approval || from.is_some_and(|from| from.deploy.approval);
    state.approval = to.deploy.approval || (verb != "deploy" && asked_before);
}

/// What stays true of this release from now on. It serves; what cannot be written is owed.
pub(crate) fn commit<W: World>(run: &mut Run<W>) {
    if let Err(error) = run.enter(api::deploy::Phase::Commit) {
        tracing::error!(%error, "A phase is not in the journal.");
    }
    let (task, manifest, now) = (run.task.clone(), run.manifest.clone(), run.at.stamp());
    let from = task.from.and_then(|release| run.at.manifest(release).ok());
    run.book(|state| {
        follow_with_approval(state, &task.verb, &manifest, from.as_deref());
        set_scale(&task.course, &manifest, state);
        if let Some(service) = recycle::recycled(&task) {
            state.count_recycled(service, now.clone());
        }
        environment::settle(&task, state);
        if matches!(task.course, Course::New { .. } | Course::Existing | Course::Warm) {
            state.mark_stable(task.to);
            // A number of instances set by hand ends when the manifest's own number changes.
            state.scale.retain(|service, scale| {
                manifest.services.get(service).is_some_and(|s| s.instances == scale.manifest)
            });
            follow_with_what_is_held(state, &manifest, task.to);
        }
    });
    keep_claims(run);
}
