//! The story of a deploy: preflight, stage, approve, migrate, start, gate, switch, relieve, bake, drain, commit, and
//! its other ends.
//!
//! Nothing before SWITCH can change what users get. Each phase is a small file of its own; this one says their order and
//! what becomes of a run that does not go through. A run may be begun at any phase: that is how the next keeper goes on.

use api::deploy::{EventKind, Outcome, Phase};
use model::Explain;

use crate::{
    abort, approve, bake, canary, commit, gate, hooks,
    journal::{Course, Kind},
    migrate, preflight, recess, relieve, return_to_old,
    run::{Halt, Run},
    stage, start, switch,
    world::World,
};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub outcome: Outcome,
    pub error: Option<Explain>,
}

impl End {
    pub(crate) fn well(outcome: Outcome) -> Self {
        Self { outcome, error: None }
    }
}

/// A run that is over.
pub(crate) enum Finish {
    Written(End),
    /// Told to whoever listened, and not to the disk: it must be taken up again.
    Owed(End),
}

/// The phases of a course, in order.
pub(crate) fn phases(course: &Course) -> &'static [Phase] {
    use Phase::{Approve, Bake, Drain, Gate, Migrate, Preflight, Recess, Relieve, Stage, Start, Switch};
    match course {
        Course::New { .. } => {
            &[Preflight, Stage, Approve, Recess, Migrate, Start, Gate, Switch, Relieve, Bake, Drain]
        }
        Course::Existing => &[Preflight, Approve, Recess, Migrate, Start, Gate, Switch, Relieve, Bake, Drain],
        Course::Warm => &[Preflight, Switch, Drain],
        Course::Restart { .. } => &[Preflight, Recess, Start, Gate, Switch, Relieve, Drain],
        Course::Grow { .. } | Course::Recycle { .. } => &[Preflight, Start, Gate, Switch, Drain],
        Course::Migrate { .. } => &[Migrate],
        Course::Nothing => &[],
    }
}

/// Runs from `first` on to the end and tells it. Dropped at any await it leaves what `recover` goes on from.
pub(crate) async fn run<W: World>(mut run: Run<W>, first: Phase) -> Finish {
    let end = match forward(&mut run, first).await {
        Ok(end) => end,
        Err(halt) => settle(&mut run, halt).await,
    };
    finish(&mut run, end).await
}

async fn forward<W: World>(run: &mut Run<W>, first: Phase) -> Result<End, Halt> {
    for phase in phases(&run.task.course).iter().copied().filter(|phase| *phase >= first) {
        if phase == Phase::Recess && !run.recreates() || phase == Phase::Approve && !run.needs_approval() {
            continue;
        }
        if phase <= Phase::Gate && !matches!(run.task.course, Course::Migrate { .. }) {
            run.check_going()?;
        }
        if phase == Phase::Relieve && !relieve::is_due(run) {
            continue;
        }
        match run.enter(phase) {
            Err(error) if phase <= Phase::Switch => return Err(Halt::Abort(error)),
            Err(error) => tracing::error!(%error, "A phase is not in the journal."),
            Ok(()) => {}
        }
        match phase {
            Phase::Preflight => preflight::preflight(run).await?,
            Phase::Stage => stage::stage(run).await?,
            Phase::Approve => approve::approve(run).await?,
            Phase::Recess => recess::begin(run).await?,
            Phase::Migrate => match &run.task.course {
                Course::Migrate { verb } => return migrate::by_hand(run, *verb).await,
                _ => {
                    hooks::before(run).await?;
                    migrate::migrate(run).await?;
                }
            },
            Phase::Start => start::start(run).await?,
            Phase::Gate if machine::planted::is_planted("switches-before-the-gate") => {}
            Phase::Gate => gate::gate(run).await?,
            Phase::Switch => {
                canary::canary(run).await?;
                switch::switch(run).await?;
            }
            Phase::Relieve => relieve::relieve(run).await?,
            Phase::Bake => bake::bake(run).await?,
            Phase::Drain => {
                run.log.tell(Kind::Baked);
                relieve::after_bake(run).await?;
                gate::wait_for_grown(run).await;
                commit::let_go(run).await;
            }
            Phase::Plan | Phase::Lock | Phase::Stop | Phase::Commit => {}
        }
    }
    commit::commit(run);
    Ok(End::well(Outcome::Served))
}

/// What becomes of a run that does not go through.
pub(crate) async fn settle<W: World>(run: &mut Run<W>, halt: Halt) -> End {
    match halt {
        Halt::Abort(error) => abort::abort(run, error).await,
        Halt::Return(error) => return_to_old::take_back(run, error).await,
        Halt::Hold { explain, migration: true } => abort::hold_migration(run, explain).await,
        Halt::Hold { explain, migration: false } => abort::hold(run, explain, false).await,
    }
}

/// The last hook and the last record of the run; everything after it happens outside the lock.
pub(crate) async fn finish<W: World>(run: &mut Run<W>, end: End) -> Finish {
    // Taken up again, it ends for the reason that it ended for: not because it was taken up.
    let end = run.first_end.take().filter(|first| first.outcome == end.outcome).unwrap_or(end);
    hooks::after(run, &end).await;
    let serving = run.at.books.read().serving;
    let report = std::mem::take(&mut run.report);
    let (outcome, error) = (end.outcome, end.error.clone());
    let kind = Kind::Ended { outcome, serving, error: error.clone(), report: report.clone() };
    // An end in the journal says that there is nothing left to do.
    let is_done = !run.is_owed || machine::planted::is_planted("ends-what-is-undone");
    if is_done {
        match run.log.append(kind) {
            Ok(()) => return Finish::Written(end),
            Err(error) => run.at.owed.failed(run.at.stamp(), &error),
        }
    }
    // Crash: the journal has no end; the next keeper finds the run where it was and ends it again, the same way.
    tracing::error!(site = %run.at.site, "The end of the deploy cannot be written down; it is tried again.");
    if let Some(owed) = run.at.owed.get() {
        run.log.events.push_unwritten(run.at.stamp(), EventKind::Warning { warning: owed.why });
    }
    let told = EventKind::Ended { outcome, serving, error, report };
    run.log.events.push_unwritten(run.at.stamp(), told);
    Finish::Owed(end)
}
