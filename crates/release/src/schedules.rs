//! The cron services of the release that serves: begins what is due, sees it to its end, and writes both down first.
//!
//! The room `schedule` decides; this task alone begins runs, so that two of one job never go on at once. Begin with
//! [`follow`]; `job.rs` is one run from its plan to its end, `told.rs` what `status` says of them.

mod job;
mod told;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use model::{
    ProcessId, ReleaseNumber, ServiceName,
    manifest::{Cron, Manifest},
};
use schedule::{Entry, LogbookError, Plan, Timetable, Wanted, plan};
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use ulid::Ulid;

use self::job::{Found, Job};
pub(crate) use self::told::{run as told_run, told};
use crate::{scene::Scene, site::Shared, world::World};

/// At least so often the clock is looked at: it may have been set.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The task that follows the schedules of a site.
#[derive(Clone)]
pub(crate) struct Following {
    stop: CancellationToken,
    task: TaskTracker,
}

impl Following {
    /// Until the keeper ends; what it had begun goes on then, and the next one takes it up.
    pub(crate) fn begin<W: World>(at: &Arc<Scene<W>>, shared: &Shared<W>) -> Self {
        let (stop, task) = (CancellationToken::new(), TaskTracker::new());
        let (ending, follows) = (shared.ending.clone(), follow(Arc::clone(at), stop.clone()));
        let follows =
            task.track_future(async move { ending.run_until_cancelled(follows).await.unwrap_or_default() });
        shared.tasks.spawn(follows);
        task.close();
        Self { stop, task }
    }

    /// What runs goes on.
    pub(crate) fn begin_nothing(&self) {
        self.stop.cancel();
    }

    /// Nothing begins any more; what runs ends by itself within `within`, or is told to.
    pub(crate) async fn end<W: World>(&self, at: &Scene<W>, within: Duration) {
        self.begin_nothing();
        let mut pause = within;
        // Bound: each run has its own time to stop, after which it is killed.
        while tokio::time::timeout(pause, self.task.wait()).await.is_err() {
            job::stop_all(at).await;
            pause = at.settings.tick;
        }
    }
}

/// Follows the schedules of whatever serves; told to stop, until nothing of it runs.
async fn follow<W: World>(at: Arc<Scene<W>>, stop: CancellationToken) {
    let mut changes = at.books.changes();
    let mut schedules = Schedules::new(at, stop.clone());
    schedules.take_up().await;
    while !stop.is_cancelled() {
        let pause = schedules.look();
        tokio::select! {
            Some(ended) = schedules.going.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "The task of a scheduled run ended early; the next keeper takes the run up.");
                }
            }
            _ = changes.changed() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
        schedules.take_up().await;
    }
    while schedules.going.join_next().await.is_some() {}
}

struct Schedules<W> {
    at: Arc<Scene<W>>,
    /// Nothing begins any more, and nothing waits for the disk.
    stop: CancellationToken,
    /// Until when each job is decided. Only what came of a look is written down, not that there was one.
    looked: HashMap<ServiceName, Timestamp>,
    /// Jobs of releases whose schedule cannot be followed here, each told once.
    broken: HashSet<(ServiceName, ReleaseNumber)>,
    going: JoinSet<()>,
    /// What a keeper before this one left is known; before that nothing begins.
    taken_up: bool,
    /// That nothing can be written down was told.
    told: bool,
}

impl<W: World> Schedules<W> {
    fn new(at: Arc<Scene<W>>, stop: CancellationToken) -> Self {
        let (looked, broken, going) = (HashMap::new(), HashSet::new(), JoinSet::new());
        Self { at, stop, looked, broken, going, taken_up: false, told: false }
    }

    fn tell_unwritten(&mut self, error: &LogbookError) {
        if !std::mem::replace(&mut self.told, true) {
            let site = &self.at.site;
            tracing::error!(%site, %error, "What is due cannot be written down, so nothing begins until it can.");
        }
    }

    /// Runs that a keeper before this one began or meant to begin. Those that are over are known to be before the first
    /// look: what is due must not be skipped for a run that does not go on.
    async fn take_up(&mut self) {
        if self.taken_up {
            return;
        }
        if let Some(error) = self.at.logbook.problem() {
            return self.tell_unwritten(&error);
        }
        self.taken_up = true;
        let book = self.at.logbook.read();
        job::forget(&self.at, book.jobs.values().flat_map(|entry| &entry.past)).await;
        let running =
            book.jobs.iter().filter_map(|(service, entry)| Some((service, entry.running.as_ref()?)));
        let found = running.map(|(service, run)| job::find(&self.at, &self.stop, service, run));
        for found in futures_util::future::join_all(found).await.into_iter().flatten() {
            let (at, stop) = (Arc::clone(&self.at), self.stop.clone());
            match found {
                Found::GoesOn { service, process } => {
                    self.going.spawn(job::see_to_its_end(at, stop, service, process))
                }
                // It stays planned, for the next keeper.
                Found::NeverBegan(_) if self.stop.is_cancelled() => continue,
                Found::NeverBegan(job) => self.going.spawn(job::run(at, stop, *job)),
            };
        }
    }

    /// Decides what now means for every job; for how long nothing more will be due.
    fn look(&mut self) -> Duration {
        let now = self.at.world.now();
        let (release, manifest) = match serving(&self.at).filter(|_| self.taken_up) {
            Some(serving) => serving,
            None => return LOOK_EVERY,
        };
        let mut pause = LOOK_EVERY;
        for (service, cron) in &manifest.cron {
            match self.look_at(service, cron, release, now) {
                Ok(next) => pause = pause.min(until(now, next)),
                Err(error) => self.tell_unwritten(&error),
            }
        }
        self.leave(&manifest);
        pause
    }

    fn look_at(
        &mut self,
        service: &ServiceName,
        cron: &Cron,
        release: ReleaseNumber,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, LogbookError> {
        let timetable = match Timetable::parse(&cron.schedule, &cron.timezone) {
            Ok(timetable) => timetable,
            Err(error) => {
                if self.broken.insert((service.clone(), release)) {
                    tracing::error!(site = %self.at.site, %service, %error, "A schedule cannot be followed.");
                }
                return Ok(None);
            }
        };
        let wanted = Wanted { timetable, catch_up: cron.catch_up, while_running: cron.while_running };
        let (plan, is_news) = self.decide(service, cron, &wanted, now);
        if is_news {
            self.write_down(service, cron, release, &plan, now)?;
        }
        self.looked.insert(service.clone(), plan.settled);
        Ok(wanted.timetable.next_after(plan.settled.max(now)))
    }

    /// What this look decides, and whether it must be known to the next keeper.
    fn decide(&self, service: &ServiceName, cron: &Cron, wanted: &Wanted, now: Timestamp) -> (Plan, bool) {
        let book = self.at.logbook.read();
        let known = book.jobs.get(service);
        let mut entry = known.cloned().unwrap_or_else(|| Entry::new(now));
        let looked = self.looked.get(service).copied();
        entry.follow(&cron.schedule, &cron.timezone, looked, now);
        let is_new = known.is_none_or(|known| !known.follows(&cron.schedule, &cron.timezone));
        if !is_new {
            entry.settled = looked.unwrap_or(entry.settled);
        }
        let plan = plan(wanted, &entry, now);
        let is_news = is_new || !plan.is_quiet();
        (plan, is_news)
    }

    fn write_down(
        &mut self,
        service: &ServiceName,
        cron: &Cron,
        release: ReleaseNumber,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), LogbookError> {
        let process = ProcessId(Ulid::generate());
        let looked = self.looked.get(service).copied();
        self.at.logbook.change(|book| {
            let entry = book.entry(service, now);
            entry.follow(&cron.schedule, &cron.timezone, looked, now);
            entry.decided(plan, process, release, now);
        })?;
        self.told = false;
        tell(&self.at, service, plan);
        if plan.begin.is_some() {
            let job = Job { service: service.clone(), cron: cron.clone(), release, process };
            self.going.spawn(job::run(Arc::clone(&self.at), self.stop.clone(), job));
        }
        Ok(())
    }

    /// Jobs that what serves does not have: they wait for nothing any more.
    fn leave(&mut self, manifest: &Manifest) {
        let gone = |service: &ServiceName| !manifest.cron.contains_key(service);
        let book = self.at.logbook.read();
        if book.jobs.iter().all(|(service, entry)| !gone(service) || entry.is_left()) {
            return;
        }
        self.looked.retain(|service, _| !gone(service));
        let left = self.at.logbook.change(|book| {
            book.jobs.iter_mut().filter(|(service, _)| gone(service)).for_each(|(_, entry)| entry.leave());
        });
        if let Err(error) = left {
            tracing::warn!(site = %self.at.site, %error, "That a job is gone is not written down; again.");
        }
    }
}

/// Leaves nothing behind of runs whose end could not be written down: their site is gone.
pub(crate) async fn forget_unwritten<W: World>(at: &Scene<W>) {
    let book = at.logbook.read();
    job::forget(at, book.jobs.values().filter_map(|entry| entry.running.as_ref())).await;
}

/// What serves now, unless the site is down.
fn serving<W: World>(at: &Scene<W>) -> Option<(ReleaseNumber, Arc<Manifest>)> {
    let state = at.books.read();
    let release = state.serving.filter(|_| !state.down)?;
    Some((release, at.manifest(release).ok()?))
}

fn until(now: Timestamp, next: Option<Timestamp>) -> Duration {
    let next = next.and_then(|next| now.duration_until(next).try_into().ok());
    next.unwrap_or(LOOK_EVERY)
}

fn tell<W: World>(at: &Scene<W>, service: &ServiceName, plan: &Plan) {
    let site = &at.site;
    if plan.clock_went_back {
        tracing::warn!(%site, %service, "The clock was put far back; the schedule goes on from what it shows now.");
    }
    for unrun in &plan.unrun {
        tracing::warn!(%site, %service, ?unrun, "A scheduled run did not take place.");
    }
}
