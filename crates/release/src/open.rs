//! A keeper's first look at a site: adopt what runs, take up what was left half done, start what is missing. The first
//! start of all is the same code with empty lists.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use api::deploy::{Outcome, Phase, Rollback};
use model::{Explain, ProcessId, ReleaseNumber};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::{
    abort,
    approve::Approval,
    crash_loop::OURSELVES,
    deploy,
    deploy::{End, Finish},
    events::EventLog,
    history,
    journal::{Course, Journal, Kind},
    migrate, recess,
    recover::{self, Reached, Recovery, has_bake},
    relieve,
    request::Caller,
    return_to_old,
    run::{Before, Halt, Log, Run},
    scene::Scene,
    site::{Actor, Lock},
    state::{Group, Member, State},
    switch,
    table::has_pool,
    world::{InstanceState, JobKind, Served, StartOrder, World},
};

/// What the look found.
pub(crate) struct Opened<W> {
    pub unfinished: Option<Unfinished<W>>,
    /// Instances of what serves had to be started: the machine was restarted.
    pub started: bool,
    /// The end of a run that never began cannot be written: it must be looked again.
    pub is_owed: bool,
}

/// A run that another keeper began.
pub(crate) struct Unfinished<W> {
    pub run: Run<W>,
    pub recovery: Recovery,
    pub caller: Caller,
    pub since: String,
}

/// Looks for a run without an end; if there is none, brings up what should be there.
/// `first_end`: how this keeper itself ended it, and could not write it down.
pub(crate) async fn open<W: World>(at: Arc<Scene<W>>, first_end: Option<End>) -> Opened<W> {
    match unfinished(&at).await {
        Ok(Some(mut unfinished)) => {
            if first_end.is_some() && unfinished.recovery == (Recovery::GoOn { phase: Phase::Approve }) {
                // It waits for nobody any more: how it ended is all that is owed.
                unfinished.recovery = Recovery::Abort;
            }
            unfinished.run.first_end = first_end;
            Opened { unfinished: Some(unfinished), started: false, is_owed: false }
        }
        Ok(None) => {
            let started = revive(&at).await;
            end_recess(&at).await;
            relieve::restore(&at).await;
            Opened { unfinished: None, started, is_owed: false }
        }
        Err(error) => {
            tracing::error!(site = %at.site, %error, "The end of the last deploy cannot be written down; it is tried again.");
            at.owed.failed(at.stamp(), &error);
            Opened { unfinished: None, started: revive(&at).await, is_owed: true }
        }
    }
}

/// A recess that its run could not end, because the site was stopped, ends with the next start.
async fn end_recess<W: World>(at: &Arc<Scene<W>>) {
    let state = at.books.read();
    let Some(recess) = &state.recess else { return };
    if !recess.is_over && state.held_migration().is_some() {
        return;
    }
    match recess::may_come_back(at, state.serving, state.schema) {
        Ok(()) => drop(recess::end(at).await),
        Err(error) => {
            tracing::error!(site = %at.site, %error, "What was stopped for a deploy stays stopped.")
        }
    }
}

/// The run that was begun last decides: one before it that has no end never began anything.
async fn unfinished<W: World>(at: &Arc<Scene<W>>) -> Result<Option<Unfinished<W>>, Explain> {
    let Some(deploy) = at.books.read().last_deploy else { return Ok(None) };
    let path = at.layout.journal(deploy);
    if !path.exists() {
        // It ended before its journal was made.
        return Ok(None);
    }
    let (journal, records) = match Journal::open(&path, at.clock()) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(site = %at.site, %error, "The last deploy's journal does not read; what the books say is kept.");
            return Ok(None);
        }
    };
    let reached = Reached::of(&records);
    if reached.ended {
        return Ok(None);
    }
    let log = Log::new(journal, EventLog::new(&records), reached.phase.unwrap_or(Phase::Lock));
    log.approval.send_replace(Approval::of(&records));
    let Some(task) = history::task(deploy, &records) else {
        // Nothing was begun: not even what was to be done is known.
        let serving = at.books.read().serving;
        log.append(Kind::Ended { outcome: Outcome::Aborted, serving, error: None, report: Vec::new() })?;
        return Ok(None);
    };
    let served = ask_served(at).await;
    let booked = at.books.read().generation;
    let recovery = recover::plan(&reached, task.generation, booked, served);
    let phase = reached.phase.map_or("plan", Phase::name);
    tracing::warn!(site = %at.site, %deploy, phase, next = recovery.words(), "Taking up what another keeper began.");
    let Some(first) = records.first() else { return Ok(None) };
    let caller = Caller { operator: first.operator.clone(), host: first.host.clone(), key: None };
    let since = first.at.clone();
    let manifest = match at.manifest(task.to) {
        Ok(manifest) => manifest,
        Err(error) => {
            // Not staged: nothing of it runs, and nothing of it can.
            for process in jobs(&records, |_| true) {
                if let Err(error) = at.world.stop_job(&at.site, process).await {
                    log.warn(error);
                }
            }
            return not_staged(at, &task, log, &error).await.map(|()| None);
        }
    };
    let cancel = CancellationToken::new();
    if reached.cancel_asked {
        cancel.cancel();
    }
    let mut run = Run::new(Arc::clone(at), task, manifest, Arc::new(log), cancel, caller.operator.clone());
    run.before = Before::of(&records);
    run.had_canary = reached.had_canary;
    run.hooks_begun = reached.hooks_begun;
    run.migrates_from = reached.migration.map(|begun| begun.before);
    stop_hooks(&run, &records).await;
    Ok(Some(Unfinished { run, recovery, caller, since }))
}

/// A hook of a keeper that died says nothing to anybody any more.
async fn stop_hooks<W: World>(run: &Run<W>, records: &[crate::journal::Record]) {
    for process in jobs(records, JobKind::is_hook) {
        if let Err(error) = run.at.world.stop_job(&run.at.site, process).await {
            run.log.warn(error);
        }
    }
}

/// Ends a run whose release has no manifest yet.
/// # Errors
/// The disk does not take it.
async fn not_staged<W: World>(
    at: &Scene<W>,
    task: &crate::run::Task,
    log: Log,
    error: &Explain,
) -> Result<(), Explain> {
    if matches!(task.course, Course::New { .. }) {
        match at.remove_release(task.to).await {
            Ok(()) => at.books.change(|state| drop(state.releases.remove(&task.to)))?,
            Err(error) => log.warn(error),
        }
    }
    let phase = *log.phase.borrow();
    // Up to STAGE it is as it should be that there is none.
    let explain = match phase <= Phase::Stage {
        true => keeper_died(phase),
        false => keeper_died(phase).caused_by(error.to_string()),
    };
    let serving = at.books.read().serving;
    log.append(Kind::Ended { outcome: Outcome::Aborted, serving, error: Some(explain), report: Vec::new() })
}

/// Processes of jobs that have no end in the journal.
fn jobs(records: &[crate::journal::Record], which: impl Fn(JobKind) -> bool) -> Vec<ProcessId> {
    let kinds = || records.iter().filter_map(crate::journal::Record::kind);
    let ended =
        |wanted: &ProcessId| kinds().any(|k| matches!(k, Kind::JobDone { process, .. } if process == wanted));
    let begun = kinds().filter_map(|kind| match kind {
        Kind::JobIntent { job, process } if which(*job) => Some(*process),
        _ => None,
    });
    begun.filter(|process| !ended(process)).collect()
}

fn keeper_died(phase: Phase) -> Explain {
    Explain::new("keeper-restarted", format!("the keeper ended while the deploy was in {}", phase.name()))
        .help("deploy again")
}

/// Asks the edge until it answers: everything depends on it.
async fn ask_served<W: World>(at: &Scene<W>) -> Option<Served> {
    // Bound: until the edge answers or the keeper ends, one question a tick. Going on without its word could stop what serves.
    loop {
        match at.world.served(&at.site).await {
            Ok(served) => return served,
            Err(error) => {
                tracing::warn!(site = %at.site, %error, "The edge does not say what it serves; again.")
            }
        }
        tokio::time::sleep(at.settings.tick).await;
    }
}

/// Goes on with a run as its recovery says, to its end.
pub(crate) async fn resume<W: World>(mut run: Run<W>, recovery: Recovery) -> Finish {
    let at = Arc::clone(&run.at);
    let phase = *run.log.phase.borrow();
    if run.first_end.is_none() {
        run.log.note(format!("the keeper was restarted in {}", phase.name()));
    }
    match recovery {
        Recovery::Over => Finish::Written(End::well(Outcome::Unchanged)),
        Recovery::Abort => {
            let error = why_aborted(&run, phase);
            let end = abort::abort(&mut run, error).await;
            revive(&at).await;
            deploy::finish(&mut run, end).await
        }
        Recovery::MakeOldFinal => {
            let old_is_final = {
                let _pointer = at.pointer.lock().await;
                switch::make_old_final(&mut run).await
            };
            let halt = old_is_final.err().unwrap_or_else(|| Halt::Abort(why_aborted(&run, phase)));
            let end = deploy::settle(&mut run, halt).await;
            revive(&at).await;
            deploy::finish(&mut run, end).await
        }
        Recovery::TakeUpMigration(begun) => {
            revive(&at).await;
            let by_hand = matches!(run.task.course, Course::Migrate { .. });
            match migrate::take_up(&mut run, begun).await {
                Ok(()) if by_hand => {
                    let end = migrate::let_go_of_hold(&mut run);
                    deploy::finish(&mut run, end).await
                }
                Ok(()) => deploy::run(run, Phase::Start).await,
                Err(halt) => {
                    let end = deploy::settle(&mut run, halt).await;
                    deploy::finish(&mut run, end).await
                }
            }
        }
        Recovery::TakeUpContract { process } => {
            revive(&at).await;
            let end = match migrate::take_up_contract(&mut run, process).await {
                Ok(end) => end,
                Err(halt) => deploy::settle(&mut run, halt).await,
            };
            deploy::finish(&mut run, end).await
        }
        Recovery::TakeUpDown { process, is_done } => {
            revive(&at).await;
            let end = match migrate::take_up_down(&mut run, process, is_done).await {
                Ok(end) => end,
                Err(halt) => deploy::settle(&mut run, halt).await,
            };
            deploy::finish(&mut run, end).await
        }
        Recovery::CompleteSwitch { epoch } => {
            let completed = {
                let _pointer = at.pointer.lock().await;
                switch::complete(&mut run, epoch).await
            };
            match completed {
                Ok(()) => go_on(run, Phase::Relieve).await,
                Err(halt) => {
                    let end = deploy::settle(&mut run, halt).await;
                    revive(&at).await;
                    deploy::finish(&mut run, end).await
                }
            }
        }
        Recovery::GoOn { phase } => {
            // This keeper has told how it ended: it is written down, and not judged a second time.
            let has_baked = run.first_end.as_ref().is_some_and(|end| end.outcome == Outcome::Served);
            go_on(run, if has_baked { phase.max(Phase::Drain) } else { phase }).await
        }
        Recovery::FinishReturn { label, why } => {
            {
                let _pointer = at.pointer.lock().await;
                return_to_old::finish(&mut run, label).await;
            }
            revive(&at).await;
            recess::bring_back(&mut run).await;
            relieve::restore(&at).await;
            let end = End { outcome: Outcome::RolledBack, error: Some(why) };
            deploy::finish(&mut run, end).await
        }
    }
}

/// After the switch, or while it waits for a person. Where the machine was restarted too, what serves must come up before it is judged.
async fn go_on<W: World>(mut run: Run<W>, phase: Phase) -> Finish {
    let at = Arc::clone(&run.at);
    let started = revive(&at).await;
    if started
        && phase > Phase::Switch
        && phase <= Phase::Bake
        && has_bake(&run.task.course)
        && !comes_up(&at).await
    {
        let message = format!("release {} did not come up again after a restart of the machine", run.task.to);
        let end = deploy::settle(&mut run, Halt::Return(Explain::new("release-not-ready", message))).await;
        return deploy::finish(&mut run, end).await;
    }
    deploy::run(run, phase).await
}

fn why_aborted<W: World>(run: &Run<W>, phase: Phase) -> Explain {
    run.check_cancelled().err().unwrap_or_else(|| keeper_died(phase))
}

/// Makes the processes what the books say: starts the missing ones of what serves, forgets draining groups that are
/// gone, stops what has no place; then gives the edge the table. `true`: something had to be started.
pub(crate) async fn revive<W: World>(at: &Arc<Scene<W>>) -> bool {
    // Bound: until the supervisor answers or the keeper ends, one question a tick. An unseen instance would be started twice.
    let observed = loop {
        match at.observed().await {
            Ok(observed) => break observed,
            Err(error) => tracing::warn!(site = %at.site, %error, "The supervisor does not answer; again."),
        }
        tokio::time::sleep(at.settings.tick).await;
    };
    let runs = |member: &Member| observed.iter().any(|o| o.name == member.name);
    let changed = at.books.change(|state| {
        state.down = false;
        state.leaving.retain(|l| l.group.members.iter().any(runs));
        let stopped = state.recess.as_ref().filter(|recess| !recess.is_over).map(|recess| recess.generation);
        let served = state.live.iter_mut().filter(|group| Some(group.generation) != stopped);
        for member in served.flat_map(|group| &mut group.members).filter(|m| !runs(m)) {
            member.process = ProcessId(Ulid::generate());
        }
    });
    if let Err(error) = changed {
        tracing::error!(site = %at.site, %error, "The books cannot be written.");
    }
    let state = at.books.read();
    stop_strangers(at, &state, &observed).await;
    let missing: Vec<(&Group, &Member)> = state
        .live
        .iter()
        .filter(|group| !state.is_stopped(group.generation))
        .flat_map(|group| group.members.iter().map(move |m| (group, m)))
        .filter(|(_, m)| !runs(m))
        .collect();
    for (group, member) in &missing {
        start_missing(at, group, member).await;
    }
    // Also where nothing serves: the edge may still have what a keeper before this one could not withdraw.
    let has_table = matches!(at.world.served(&at.site).await, Ok(Some(_)));
    if has_table || state.serving.is_some() || !state.live.is_empty() {
        let until = Instant::now() + at.settings.switch_limit;
        if let Err(error) = at.publish_until(until).await {
            tracing::error!(site = %at.site, %error, "The edge has no table yet; it is tried again.");
        }
    }
    !missing.is_empty()
}

pub(crate) async fn start_missing<W: World>(at: &Scene<W>, group: &Group, member: &Member) {
    let started = match at.manifest(group.release) {
        Ok(manifest) => {
            let order = StartOrder {
                site: at.site.clone(),
                name: member.name.clone(),
                process: member.process,
                manifest,
                release_dir: at.layout.files(group.release),
                shared_dir: at.layout.shared(),
                kept_secrets: group.secrets_of.map(|of| at.layout.kept_secrets(group.release, of)),
            };
            at.world.keep_instance(order).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = started {
        tracing::error!(site = %at.site, instance = %member.name, %error, "An instance that should serve does not start.");
    }
}

/// What runs and has no place in the books is stopped.
async fn stop_strangers<W: World>(at: &Scene<W>, state: &State, observed: &[crate::world::Observed]) {
    let known =
        |o: &&crate::world::Observed| state.groups().flat_map(|g| &g.members).any(|m| m.name == o.name);
    let strangers = observed.iter().filter(|o| !known(o)).map(|o| Group {
        service: o.name.service.clone(),
        release: o.name.release,
        generation: 0,
        members: vec![Member { name: o.name.clone(), process: o.process }],
        secrets_of: None,
    });
    let strangers: Vec<Group> = strangers.collect();
    if strangers.is_empty() {
        return;
    }
    tracing::warn!(site = %at.site, count = strangers.len(), "Stopping instances that have no place.");
    for error in at.stop_groups(&strangers).await {
        tracing::error!(site = %at.site, %error, "An instance without a place is not stopped.");
    }
}

/// After a start of instances: whether what serves becomes ready within the time that its manifest gives it.
pub(crate) async fn comes_up<W: World>(at: &Scene<W>) -> bool {
    let state = at.books.read();
    let Some(manifest) = state.serving.and_then(|release| at.manifest(release).ok()) else { return true };
    let until = Instant::now() + at.settings.start_limit + manifest.deploy.health_timeout.0;
    // Bound: `until`, one look a tick.
    loop {
        let observed = at.observed().await.unwrap_or_default();
        let pools = at.pools().await.unwrap_or_default();
        let serves = |group: &Group| {
            let pool = pools.iter().find(|p| p.id == group.pool());
            let routed = has_pool(&manifest, &group.service);
            group.members.iter().all(|m| {
                let up = observed.iter().any(|o| o.name == m.name && o.state == InstanceState::Up);
                let ready = pool.is_some_and(|p| p.upstreams.iter().any(|u| u.instance == m.name && u.ready));
                up && (ready || !routed)
            })
        };
        if at.books.read().live.iter().all(serves) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(at.settings.tick).await;
    }
}

/// Publishes if an instance is somewhere else than when it was last looked, or if the edge did not take the last table;
/// gives where they are.
pub(crate) async fn reconcile<W: World>(
    at: &Scene<W>,
    known: HashMap<String, String>,
) -> HashMap<String, String> {
    let Ok(observed) = at.observed().await else { return known };
    let state = at.books.read();
    let ours =
        |o: &&crate::world::Observed| state.groups().flat_map(|g| &g.members).any(|m| m.name == o.name);
    let place = |o: &crate::world::Observed| {
        Some((o.name.to_string(), format!("{} {}", o.process, o.address.as_ref()?)))
    };
    let now: HashMap<String, String> = observed.iter().filter(ours).filter_map(place).collect();
    // One that is away for a moment keeps its place in the table; the edge ejects it by itself.
    let moved = now.iter().any(|(name, place)| known.get(name) != Some(place));
    if !moved && !at.is_table_owed.load(Ordering::Relaxed) {
        return known;
    }
    match at.publish().await {
        Ok(_) => now,
        Err(error) => {
            tracing::warn!(site = %at.site, %error, "The edge does not know yet where an instance went.");
            known
        }
    }
}

impl<W: World> Actor<W> {
    /// What served before a restart of the machine does not come up: the last stable one is tried, once.
    pub(crate) async fn came_up(&mut self, well: bool) {
        let state = self.at.books.read();
        if well || state.held_migration().is_some() || !matches!(self.lock, Lock::Free) {
            return;
        }
        let Some(other) = state.other_stable() else { return };
        let caller = Caller { operator: OURSELVES.into(), host: self.at.world.host(), key: None };
        match self.rollback(Rollback { release: Some(other), with_secrets: false }, &caller).await {
            Ok(_) => {
                if let Lock::Held(held) = &self.lock {
                    held.log.tell(Kind::Reason { reason: did_not_come_up(state.serving) });
                }
            }
            Err(error) => {
                tracing::error!(site = %self.at.site, %error, "What serves does not come up, and the last stable release cannot be tried.");
            }
        }
    }
}

/// Why Mainstay returns by itself when everything starts again.
fn did_not_come_up(serving: Option<ReleaseNumber>) -> Explain {
    let what = serving.map_or_else(|| "what served".to_owned(), |release| format!("release {release}"));
    Explain::new("serving-not-up", format!("{what} did not come up well when everything was started again"))
        .now("the last stable release is started beside it, and takes over when it is ready")
        .help("`mainstay report` of the deploy before tells what was wrong with it; mend it and deploy again")
}
