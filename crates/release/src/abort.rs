//! The ends before the switch: the new side goes, the old one was never touched. And the end that a person must take up.

use std::sync::Arc;

use api::deploy::Outcome;
use model::Explain;

use crate::{
    deploy::End,
    journal::Course,
    recess::{self, Back},
    run::Run,
    scene::Scene,
    state::{Fate, Held, State},
    world::World,
};

/// Stops what the run started, takes away what it half made.
pub(crate) async fn abort<W: World>(run: &mut Run<W>, error: Explain) -> End {
    withdraw(run).await;
    clear_away(run).await;
    keep_claims(run);
    let is_held = run.at.books.read().held_migration().is_some();
    let back = if is_held { recess::bring_back_held(run, None).await } else { recess::bring_back(run).await };
    let error = match back {
        Back::NoRecess => error,
        Back::Serves(how) => error.now(how),
        Back::Stopped(why) => {
            let explain = stays_stopped(run, error, &why);
            return if is_held {
                End { outcome: Outcome::Held, error: Some(explain) }
            } else {
                hold(run, explain, true).await
            };
        }
    };
    if is_held {
        run.report.push("a migration is held as before: `mainstay migrate status` shows it".into());
    }
    let state = run.at.books.read();
    let moved =
        run.manifest.migrate.as_ref().zip(state.schema).filter(|(m, data)| data.version >= m.code.schema);
    if let Some((_, data)) = moved
        && matches!(run.task.course, Course::New { .. } | Course::Existing)
    {
        run.report.push(format!("the database stays at schema {}", data.version));
    }
    let error = if error.now.is_some() { error } else { error.now(run.now_serving()) };
    let error = run.seen(error).await;
    if run.had_canary {
        run.report
            .push(format!("release {} was taken back from the clients that had it, and drains", run.task.to));
    }
    let outcome = if run.had_canary { Outcome::RolledBack } else { Outcome::Aborted };
    End { outcome, error: Some(error) }
}

fn stays_stopped<W: World>(run: &Run<W>, error: Explain, why: &Explain) -> Explain {
    let release = run.task.to;
    error.caused_by(why.to_string()).now(run.now_serving()).help(format!(
        "`mainstay migrate down` takes the database back and starts the old release again; or deploy a mended release, or \
         this one once more with `mainstay deploy --release {release}`"
    ))
}

/// A migration needs a person; what was stopped for it serves again where it bears what the migration left.
pub(crate) async fn hold_migration<W: World>(run: &mut Run<W>, explain: Explain) -> End {
    let explain = match recess::bring_back_held(run, Some(Arc::clone(&run.manifest))).await {
        Back::NoRecess => run.seen(explain).await,
        Back::Serves(how) => explain.now(how),
        Back::Stopped(why) => explain.caused_by(why.to_string()).now(run.now_serving()),
    };
    hold(run, explain, true).await
}

/// Out of the edge's table first, then out of the machine, then out of the books.
async fn withdraw<W: World>(run: &mut Run<W>) {
    let at = run.at.clone();
    let candidates = at.books.read().candidate.clone();
    if candidates.is_empty() {
        return;
    }
    let warm = matches!(run.task.course, Course::Warm);
    let deploy = run.task.deploy;
    let withdraw = |state: &mut State| drop(state.withdraw(deploy, warm));
    let pointer = at.pointer.lock().await;
    let mut next = State::clone(&at.books.read());
    let unused = next.withdraw(deploy, warm);
    publish_without(&at, &next).await;
    if unused.is_empty() {
        run.book(withdraw);
        return;
    }
    drop(pointer);
    for error in at.stop_groups(&unused).await {
        run.log.warn(error);
    }
    let _pointer = at.pointer.lock().await;
    run.book(withdraw);
    // Whoever published meanwhile did so from books that still had the candidates.
    if !machine::planted::is_planted("leaves-candidates-at-the-edge") {
        publish_without(&at, &at.books.read()).await;
    }
}

/// Candidates get no traffic, so an edge that is away need not be waited for; those of a canary do.
async fn publish_without<W: World>(at: &Scene<W>, next: &State) {
    // Bound: the edge comes back or the keeper ends, whose next one begins here again.
    while let Err(error) = at.publish_state(next).await {
        tracing::warn!(site = %at.site, %error, "The edge still knows the candidates.");
        if at.books.read().canary.is_none() {
            return;
        }
        tokio::time::sleep(at.settings.tick).await;
    }
}

/// A release that was not whole is removed; a whole one stays for `logs` until it is pruned.
async fn clear_away<W: World>(run: &mut Run<W>) {
    let at = run.at.clone();
    let release = run.task.to;
    let fate = at.books.read().releases.get(&release).map(|record| record.fate);
    let half_made = fate == Some(Fate::Staging) && matches!(run.task.course, Course::New { .. });
    if half_made {
        match at.remove_release(release).await {
            Ok(()) => run.book(|state| drop(state.releases.remove(&release))),
            Err(error) => run.log.warn(error),
        }
    } else if matches!(run.task.course, Course::New { .. } | Course::Existing) {
        run.book(|state| state.mark_failed(release));
    }
}

/// Leaves everything as it is and remembers that a person must decide.
pub(crate) async fn hold<W: World>(run: &mut Run<W>, explain: Explain, migration: bool) -> End {
    let contract = run.contracts();
    let state = run.at.books.read();
    // What was cleared away cannot be asked for a way on.
    let is_kept = state.releases.contains_key(&run.task.to);
    let release = state.serving.filter(|_| !is_kept).unwrap_or(run.task.to);
    let before = state.held_migration().and_then(|held| held.before);
    let held = Held {
        deploy: run.task.deploy,
        release,
        explain: explain.clone(),
        migration,
        contract,
        before: run.migrates_from.or(before).filter(|_| migration && !contract),
    };
    if !machine::planted::is_planted("forgets-what-is-held") {
        run.book(|state| state.held = Some(held));
    }
    keep_claims(run);
    End { outcome: Outcome::Held, error: Some(explain) }
}

/// The site claims the routes of what it serves, and no others.
pub(crate) fn keep_claims<W: World>(run: &Run<W>) {
    let serving = run.at.books.read().serving;
    match serving.map(|release| run.at.manifest(release)) {
        Some(Ok(manifest)) => run.at.claims.keep(&run.at.site, &manifest.routes),
        Some(Err(error)) => {
            tracing::error!(%error, "The routes of what serves are not known; the claims stay.")
        }
        None => run.at.claims.release(&run.at.site),
    }
}
