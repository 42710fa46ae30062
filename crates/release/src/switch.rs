//! SWITCH: one pointer in the edge. After an error or a crash the edge is asked what it serves; its answer is the truth,
//! and "old" is made final by a higher epoch before anything is stopped.

use model::{Explain, ServiceName};
use tokio::time::Instant;

use crate::{
    figures,
    gate::exits,
    journal::{Course, Kind},
    layout::link_atomically,
    recess,
    recover::has_bake,
    run::{Before, Halt, Run},
    state::{Group, State},
    world::World,
};

pub(crate) async fn switch<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    run.check_going().map_err(|error| error.now(run.now_serving()))?;
    let at = run.at.clone();
    let _pointer = at.pointer.lock().await;
    let (generation, release) = (run.task.generation, run.task.to);
    if has_bake(&run.task.course) {
        run.before = look_before(run).await?;
        let Before { exits, traffic } = run.before.clone();
        run.log.append(Kind::Baseline { exits, traffic })?;
    }
    run.log.append(Kind::SwitchIntent { generation, release })?;
    // Crash: from here on the next keeper asks the edge.
    let next = switched(run, &at.books.read());
    let error = match at.publish_state(&next).await {
        Ok(served) if served.generation == generation => return complete(run, served.epoch).await,
        Ok(served) => other_table(served.generation, generation),
        Err(error) => error,
    };
    tracing::warn!(site = %at.site, %error, "The switch was not acknowledged: asking the edge what it serves.");
    match truth(run).await? {
        Some(epoch) => complete(run, epoch).await,
        None => {
            make_old_final(run).await?;
            Err(Halt::Abort(error.now(run.now_serving())))
        }
    }
}

/// What the bake will compare with.
async fn look_before<W: World>(run: &Run<W>) -> Result<Before, Halt> {
    let observed = run.at.observed().await?;
    let pools = run.at.pools().await?;
    let state = run.at.books.read();
    // In a recess they were taken when it began.
    let traffic = match state.recess {
        Some(_) => run.before.traffic.clone(),
        None => figures::of_live(&state, &pools, |pool| &pool.recent),
    };
    Ok(Before { exits: exits(&run.brought(), &observed), traffic })
}

fn other_table(found: u64, wanted: u64) -> Explain {
    Explain::new("edge-other-table", "the edge acknowledged another table than it was given")
        .caused_by(format!("generation {found}, wanted {wanted}"))
        .help("deploy again; where it comes back, two keepers may write one routing table: `mainstay status --machine` says which runs")
}

/// The books after this run's switch; the same again if it was done.
pub(crate) fn switched<W: World>(run: &Run<W>, state: &State) -> State {
    let mut next = state.clone();
    if next.generation == run.task.generation {
        return next;
    }
    match &run.task.course {
        Course::Grow { .. } => next.grow(run.task.generation),
        Course::Recycle { instance } => next.recycle(run.task.generation, instance, run.task.deploy),
        course => {
            let only = match course {
                Course::Restart { service, .. } => service.clone(),
                _ => None,
            };
            // One whose successor may not run beside it serves on until that one relieves it.
            let is_followed = |service: &ServiceName| {
                state.candidate.iter().any(|new| new.service == *service)
                    || !run.manifest.services.contains_key(service)
            };
            let replaced = |group: &Group| {
                only.as_ref().is_none_or(|only| group.service == *only) && is_followed(&group.service)
            };
            next.switch(run.task.generation, run.task.to, run.task.deploy, replaced);
        }
    }
    next
}

/// Asks the edge until it answers: the epoch of the new table if that is what it serves.
async fn truth<W: World>(run: &mut Run<W>) -> Result<Option<u64>, Halt> {
    loop {
        match run.at.world.served(&run.at.site).await {
            Ok(Some(served)) if served.generation == run.task.generation => return Ok(Some(served.epoch)),
            Ok(_) => return Ok(None),
            Err(error) if Instant::now() >= run.deadline => {
                let explain = Explain::new("edge-unknown", "the edge does not say which release it serves")
                    .caused_by(error.to_string())
                    .now("both releases run")
                    .help("see `mainstay status`; restarting the keeper asks again");
                return Err(Halt::Hold { explain, migration: false });
            }
            Err(error) => {
                tracing::warn!(site = %run.at.site, %error, "The edge does not say what it serves; again.")
            }
        }
        run.pause().await;
    }
}

/// A table of a higher epoch that leads to the old release, acknowledged: a late switch can no longer come.
/// The caller holds the pointer.
pub(crate) async fn make_old_final<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    if machine::planted::is_planted("leaves-the-switch-on-its-way") {
        return Ok(());
    }
    loop {
        let error = match run.at.publish_state(&run.at.books.read()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() >= run.deadline {
            let explain = error.now("both releases run").help("see `mainstay status`");
            return Err(Halt::Hold { explain, migration: false });
        }
        run.pause().await;
    }
}

/// Writes down what the edge has acknowledged. The caller holds the pointer.
pub(crate) async fn complete<W: World>(run: &mut Run<W>, epoch: u64) -> Result<(), Halt> {
    let at = run.at.clone();
    let before = at.books.read();
    while let Err(error) = at.books.change(|state| *state = switched(run, state)) {
        // The books cannot follow (a full disk): what they say must stay true, so the pointer goes back.
        if run.task.from.is_some() || run.site_ends() {
            make_old_final(run).await?;
            return Err(Halt::Abort(error.now(run.now_serving())));
        }
        // Bound: the disk takes it or the site ends. Back would be to nothing, and users have this release already.
        tracing::error!(site = %at.site, %error, "The first switch cannot be written down; trying until it can.");
        tokio::time::sleep(at.settings.tick).await;
    }
    run.log.tell(Kind::SwitchDone { epoch });
    if let Err(error) = link_atomically(&at.layout.current(), &at.layout.release(run.task.to)) {
        tracing::warn!(%error, "The link `current` still names the old release.");
    }
    run.log.note(format!("release {} serves", run.task.to));
    recess::ended(run, &before);
    Ok(())
}
