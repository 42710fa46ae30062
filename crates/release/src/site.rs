//! The task of one site: takes commands one by one, holds the lock, starts what runs long.
//!
//! The lock is this task's state: a run in flight, or the start after which it is known that there is none. Runs,
//! retirements and answers that need the world are tasks of their own, joined here; they end with this task.

mod ending;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use api::{deploy::Phase, status::Underway};
use model::{DeployId, Explain, ReleaseNumber, Site};
use schedule::Logbook;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifact::ArtifactStore,
    begin,
    claims::Claims,
    crash_loop::{self, Looping},
    deploy::{End, Finish},
    events::EventLog,
    handle::{Command, QUEUE_MAX, SiteHandle},
    history,
    journal::{self, Journal, Kind},
    layout::Layout,
    migrate,
    open::{self, Opened},
    posted, prune,
    recycle::{self, Due},
    request::{Caller, Refused, RefusedKind, Runnable, Wanted},
    retire,
    run::{Log, Task},
    scene::Scene,
    schedules::Following,
    settings::Settings,
    state::{Books, Group, LeavingStage},
    status,
    world::{PoolId, World},
};

/// What every site's task uses.
pub(crate) struct Shared<W> {
    pub world: Arc<W>,
    pub settings: Arc<Settings>,
    pub artifacts: ArtifactStore,
    pub claims: Arc<Claims>,
    pub tasks: TaskTracker,
    /// Cancelled when the keeper ends: tasks stop, instances do not.
    pub ending: CancellationToken,
}

impl<W> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            settings: Arc::clone(&self.settings),
            artifacts: self.artifacts.clone(),
            claims: Arc::clone(&self.claims),
            tasks: self.tasks.clone(),
            ending: self.ending.clone(),
        }
    }
}

/// Starts the site's task.
/// # Errors
/// The site's state does not read.
pub(crate) fn spawn<W: World>(shared: Shared<W>, site: Site) -> Result<SiteHandle, Explain> {
    let layout = Layout::new(&shared.settings.data).site(&site);
    let scene = Scene {
        site: site.clone(),
        books: Books::open(&layout.state())?,
        logbook: Logbook::new(layout.schedule()),
        layout,
        world: Arc::clone(&shared.world),
        settings: Arc::clone(&shared.settings),
        claims: Arc::clone(&shared.claims),
        artifacts: shared.artifacts.clone(),
        manifests: Mutex::default(),
        pointer: tokio::sync::Mutex::default(),
        is_table_owed: AtomicBool::new(false),
        no_table: Default::default(),
        ending: AtomicBool::new(false),
        owed: Default::default(),
        stopping: Default::default(),
    };
    // What serves keeps its routes from the first moment on, before any other site may ask for them.
    if let Some(serving) = scene.books.read().serving {
        let manifest = scene.manifest(serving)?;
        for conflict in scene.claims.found(&site, &manifest.routes) {
            tracing::error!(%site, %conflict, "Two sites serve the same route.");
        }
    }
    let (commands, inbox) = mpsc::channel(QUEUE_MAX);
    let mut actor = Actor {
        at: Arc::new(scene),
        lock: Lock::Starting,
        queued: None,
        parked: Vec::new(),
        jobs: JoinSet::new(),
        retiring: BTreeSet::new(),
        resumed: false,
        addresses: HashMap::new(),
        reconciling: false,
        left_loop: None,
        recycle_not_before: None,
        schedules: None,
        shared: shared.clone(),
    };
    let ending = shared.ending.clone();
    shared.tasks.spawn(async move {
        ending.run_until_cancelled(actor.run(inbox)).await;
    });
    Ok(SiteHandle { site, commands })
}

pub(crate) enum Lock {
    /// Not yet known whether a keeper before this one left a run behind.
    Starting,
    Free,
    Held(Box<Held>),
    /// Stopped by `down`: nothing begins here any more.
    Down,
}

/// The run that holds the lock.
pub(crate) struct Held {
    pub task: Task,
    pub caller: Caller,
    pub since: String,
    pub log: Arc<Log>,
    pub cancel: CancellationToken,
}

impl Held {
    /// What its end waits for, else what its journal lost.
    pub(crate) fn unwritten<W>(&self, at: &Scene<W>) -> Option<api::status::Unwritten> {
        at.owed.get().or_else(|| self.log.lost.get())
    }
}

/// A deploy that waits for the lock; a newer one takes its place.
pub(crate) struct Queued {
    pub wanted: Wanted,
    pub caller: Caller,
    pub reply: oneshot::Sender<Result<api::deploy::Started, Refused>>,
    pub until: Instant,
    /// The migration that was held when it was asked for: its asker may have known of that one.
    pub held: Option<DeployId>,
}

/// What a task of the site ends with.
pub(crate) enum Done<W> {
    Opened(Box<Opened<W>>),
    Ran(Finish),
    Retired {
        group: Group,
        deploy: DeployId,
        line: Option<String>,
    },
    /// Whether what serves came up after a start without instances.
    CameUp(bool),
    Reconciled {
        addresses: HashMap<String, String>,
        looping: Option<Looping>,
        due: Option<Due>,
    },
    Answered,
}

pub(crate) struct Actor<W> {
    pub at: Arc<Scene<W>>,
    pub lock: Lock,
    pub queued: Option<Queued>,
    /// Commands that need the lock, until it is known who has it, or until who has it has made way.
    // Bound: as many as the queue before it.
    pub parked: Vec<Command>,
    pub jobs: JoinSet<Done<W>>,
    /// Pools whose retirement runs.
    pub retiring: BTreeSet<PoolId>,
    /// The run in flight was begun by another keeper.
    pub resumed: bool,
    /// Where each instance was when the table was last compared.
    pub addresses: HashMap<String, String>,
    pub reconciling: bool,
    /// The release whose crash loop was already looked into.
    pub left_loop: Option<ReleaseNumber>,
    /// One that is due for its manifest is not replaced before.
    pub recycle_not_before: Option<Instant>,
    /// Begins what is due, from the moment on that it is known what a keeper before this one left.
    pub schedules: Option<Following>,
    pub shared: Shared<W>,
}

/// At least so often the edge's table is compared with where the instances are.
const RECONCILE_EVERY: Duration = Duration::from_secs(5);

impl<W: World> Actor<W> {
    async fn run(&mut self, mut inbox: mpsc::Receiver<Command>) {
        let at = Arc::clone(&self.at);
        self.jobs.spawn(async move { Done::Opened(Box::new(open::open(at, None).await)) });
        let mut changes = self.at.world.changes(&self.at.site);
        let mut changes_live = true;
        let mut reconcile_at = Instant::now() + RECONCILE_EVERY;
        loop {
            let queue_ends = self.queued.as_ref().map(|queued| queued.until);
            tokio::select! {
                // The same happens again where the same came before. Nothing starves: who waits behind commands waits
                // for as many as the queue holds.
                biased;
                command = inbox.recv() => match command {
                    Some(command) => if self.take(command).await { return },
                    None => return,
                },
                Some(done) = self.jobs.join_next() => self.joined(done).await,
                changed = changes.changed(), if changes_live => {
                    changes_live = changed.is_ok();
                    self.reconcile();
                }
                () = tokio::time::sleep_until(reconcile_at) => {
                    reconcile_at = Instant::now() + RECONCILE_EVERY;
                    self.reconcile();
                }
                () = async { tokio::time::sleep_until(queue_ends.unwrap_or_else(Instant::now)).await },
                    if queue_ends.is_some() => self.give_up_queued(),
            }
        }
    }

    /// Carries out one command; `true`: it was the last one.
    async fn take(&mut self, command: Command) -> bool {
        let waits = command.needs_lock() && self.parked.len() < QUEUE_MAX;
        if waits && (matches!(self.lock, Lock::Starting) || self.makes_way_for(&command)) {
            self.parked.push(command);
            return false;
        }
        self.carry_out(command).await
    }

    async fn carry_out(&mut self, command: Command) -> bool {
        match command {
            Command::Plan(wanted, reply) => {
                let at = Arc::clone(&self.at);
                let closed = self.closed();
                self.answer(reply, async move {
                    let looked = begin::look(&at, &wanted).await?;
                    Ok(api::deploy::Plan { closed, ..looked.plan })
                });
            }
            Command::Start(start, caller, reply) => self.start(start, caller, reply).await,
            Command::Cancel(caller, reply) => drop(reply.send(self.cancel(&caller))),
            Command::Approve(deploy, caller, reply) => drop(reply.send(self.approve(deploy, &caller))),
            Command::Resume(caller, reply) => drop(reply.send(self.resume(&caller))),
            Command::Freeze(freeze, caller, reply) => drop(reply.send(self.freeze(freeze, &caller))),
            Command::Post(notice, caller, reply) => match self.post(notice, &caller) {
                Err(refused) => drop(reply.send(Err(refused))),
                Ok(()) => {
                    let at = Arc::clone(&self.at);
                    self.answer(reply, async move { posted::publish(&at).await });
                }
            },
            Command::Status(reply) => {
                let (at, underway) = (Arc::clone(&self.at), self.underway());
                // Whoever asks for the lock waits until it is known who has it; the journal tells it before.
                let is_starting = matches!(self.lock, Lock::Starting);
                self.answer(reply, async move {
                    let newest = history::records(&at.layout, &at.site, 1).pop();
                    let left = newest.as_ref().filter(|_| is_starting).and_then(history::underway);
                    let left = left.map(|left| Underway { unwritten: at.owed.get(), ..left });
                    let last = history::last(&at.layout, &at.site);
                    status::site(&at, underway.or(left), last).await.map_err(Refused::failed)
                });
            }
            Command::Releases(reply) => drop(reply.send(Ok(status::releases(&self.at)))),
            Command::Records(limit, reply) => {
                let at = Arc::clone(&self.at);
                self.answer(reply, async move { Ok(history::records(&at.layout, &at.site, limit)) });
            }
            Command::Config(release, reply) => drop(reply.send(self.config(release))),
            Command::Events(deploy, from, reply) => drop(reply.send(self.events(deploy, from))),
            Command::MigrateStatus(reply) => {
                let (at, is_free) = (Arc::clone(&self.at), matches!(self.lock, Lock::Free));
                self.answer(reply, async move { Ok(migrate::told(&at, is_free).await) });
            }
            Command::Runnable(service, reply) => drop(reply.send(self.runnable(service))),
            Command::Settle(reply) => {
                self.settle().await;
                let _ = reply.send(Ok(()));
            }
            Command::EndScheduled(within, reply) => {
                // Not here: a second one, with less time, must be heard while the first one waits.
                let (schedules, at) = (self.schedules.clone(), Arc::clone(&self.at));
                self.answer(reply, async move {
                    if let Some(schedules) = schedules {
                        schedules.end(&at, within).await;
                    }
                    Ok(())
                });
            }
            Command::Down(reply) => {
                self.settle().await;
                self.end_schedules().await;
                let _ = reply.send(crate::down::down(&self.at).await.map_err(Refused::failed));
            }
            Command::Destroy(with_data, reply) => {
                let destroyed = self.destroy(with_data).await;
                let gone = destroyed.is_ok();
                let _ = reply.send(destroyed.map_err(Refused::failed));
                return gone;
            }
        }
        false
    }

    /// Answers from a task of its own: the world may be slow.
    fn answer<T: Send + 'static>(
        &mut self,
        reply: oneshot::Sender<Result<T, Refused>>,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) {
        self.jobs.spawn(async move {
            let _ = reply.send(work.await);
            Done::Answered
        });
    }

    async fn joined(&mut self, done: Result<Done<W>, JoinError>) {
        match done {
            Ok(Done::Opened(opened)) => {
                self.opened(*opened);
                self.carry_out_parked().await;
            }
            Ok(Done::Ran(Finish::Owed(end))) if !self.is_ending() => self.open_again(Some(end)),
            Ok(Done::Ran(Finish::Written(end) | Finish::Owed(end))) => self.ran(&end).await,
            Ok(Done::Retired { group, deploy, line }) => self.retired(&group, deploy, line),
            Ok(Done::CameUp(well)) => self.came_up(well).await,
            Ok(Done::Reconciled { addresses, looping, due }) => {
                self.reconciling = false;
                self.addresses = addresses;
                if let Some(looping) = looping {
                    self.leave_crash_loop(&looping).await;
                }
                if let Some(due) = due {
                    self.recycle(due);
                }
            }
            Ok(Done::Answered) => {}
            Err(error) if error.is_panic() => {
                // A panic ended a task. If it was the run, its journal has no end: recover it as after a crash.
                tracing::error!(site = %self.at.site, %error, "A task of the site ended by a panic.");
                self.reconciling = false;
                if let Lock::Held(_) = self.lock {
                    self.open_again(None);
                }
            }
            Err(_) => {}
        }
    }

    async fn carry_out_parked(&mut self) {
        for command in std::mem::take(&mut self.parked) {
            Box::pin(self.carry_out(command)).await;
        }
    }

    /// What a run left undone is looked for in a moment, as after a crash.
    fn open_again(&mut self, first_end: Option<End>) {
        self.lock = Lock::Starting;
        let at = Arc::clone(&self.at);
        self.jobs.spawn(async move {
            // A full disk is asked once a second or so, not without a pause.
            tokio::time::sleep(at.settings.tick * 5).await;
            Done::Opened(Box::new(open::open(at, first_end).await))
        });
    }

    /// It is known what a keeper before this one left: nothing, or a run to take up.
    fn opened(&mut self, opened: Opened<W>) {
        self.free_lock();
        if self.schedules.is_none() {
            let schedules = Following::begin(&self.at, &self.shared);
            if self.is_ending() {
                // It only sees to their end the runs that another keeper began.
                schedules.begin_nothing();
            }
            self.schedules = Some(schedules);
        }
        self.retire_what_drains();
        if opened.is_owed && !self.is_ending() {
            self.open_again(None);
        } else if opened.unfinished.is_none() {
            self.at.owed.is_over();
        }
        if let Some(unfinished) = opened.unfinished {
            self.resumed = unfinished.run.first_end.is_none();
            self.lock = Lock::Held(Box::new(Held {
                task: unfinished.run.task.clone(),
                caller: unfinished.caller,
                since: unfinished.since,
                log: Arc::clone(&unfinished.run.log),
                cancel: unfinished.run.cancel.clone(),
            }));
            self.jobs
                .spawn(async move { Done::Ran(open::resume(unfinished.run, unfinished.recovery).await) });
            return;
        }
        if opened.started {
            let at = Arc::clone(&self.at);
            self.jobs.spawn(async move { Done::CameUp(open::comes_up(&at).await) });
        }
    }

    /// The run that held the lock has ended.
    async fn ran(&mut self, end: &End) {
        tracing::info!(site = %self.at.site, outcome = end.outcome.name(), "A run of the deploy machine has ended.");
        self.recycling_ended(end);
        self.free_lock();
        self.at.owed.is_over();
        let resumed = std::mem::take(&mut self.resumed);
        self.retire_what_drains();
        if resumed && end.outcome == api::deploy::Outcome::Held {
            self.came_up(false).await;
        }
        self.begin_queued().await;
        self.carry_out_parked().await;
        self.prune();
    }

    /// Starts a retirement for every group that drains and has none.
    pub(crate) fn retire_what_drains(&mut self) {
        for leaving in &self.at.books.read().leaving {
            let pool = leaving.group.pool();
            if leaving.stage == LeavingStage::Warm || !self.retiring.insert(pool) {
                continue;
            }
            let (at, group, deploy) = (Arc::clone(&self.at), leaving.group.clone(), leaving.deploy);
            self.jobs.spawn(async move {
                let line = retire::retire(&at, &group).await;
                Done::Retired { group, deploy, line }
            });
        }
    }

    fn retired(&mut self, group: &Group, deploy: DeployId, line: Option<String>) {
        self.retiring.remove(&group.pool());
        if let Some(report) = line {
            let path = self.at.layout.journal(deploy);
            let in_flight = matches!(&self.lock, Lock::Held(held) if held.task.deploy == deploy);
            let kind = Kind::Retired { generation: group.generation, report };
            let appended = match &self.lock {
                Lock::Held(held) if in_flight => held.log.append(kind).map_err(|error| error.to_string()),
                _ => Journal::open(&path, self.at.clock()).map_err(|error| error.to_string()).and_then(
                    |(mut journal, _)| journal.append(kind).map(drop).map_err(|error| error.to_string()),
                ),
            };
            if let Err(error) = appended {
                tracing::warn!(site = %self.at.site, %error, "A retirement is not in its deploy's journal.");
            }
        }
        // A rollback that claimed the group may itself have ended meanwhile.
        self.retire_what_drains();
        self.prune();
    }

    fn prune(&mut self) {
        if matches!(self.lock, Lock::Free) {
            let at = Arc::clone(&self.at);
            self.jobs.spawn(async move {
                prune::prune(&at).await;
                Done::Answered
            });
        }
    }

    /// A restarted instance may be somewhere else: tells the edge.
    fn reconcile(&mut self) {
        if self.reconciling || matches!(self.lock, Lock::Starting | Lock::Down) {
            return;
        }
        self.reconciling = true;
        let (at, known) = (Arc::clone(&self.at), self.addresses.clone());
        self.jobs.spawn(async move {
            posted::take_down_what_is_over(&at);
            let addresses = open::reconcile(&at, known).await;
            let (looping, due) = (crash_loop::look(&at).await, recycle::look(&at).await);
            Done::Reconciled { addresses, looping, due }
        });
    }

    fn underway(&self) -> Option<Underway> {
        let Lock::Held(held) = &self.lock else { return None };
        Some(Underway {
            deploy: held.task.deploy,
            verb: held.task.verb.clone(),
            to: held.task.to,
            phase: self.phase(held),
            operator: held.caller.operator.clone(),
            since: held.since.clone(),
            approval: held.awaited(),
            unwritten: held.unwritten(&self.at),
        })
    }

    pub(crate) fn phase(&self, held: &Held) -> Phase {
        *held.log.phase.borrow()
    }

    fn events(&self, deploy: DeployId, from: u64) -> Result<crate::EventStream, Refused> {
        if let Lock::Held(held) = &self.lock
            && held.task.deploy == deploy
        {
            return Ok(held.log.events.stream(from));
        }
        let path = self.at.layout.journal(deploy);
        let (records, _) = journal::read(&path).map_err(|error| {
            let explain = Explain::new("no-such-deploy", format!("{} has no deploy {deploy}", self.at.site))
                .help("`mainstay events` lists those that are known; old ones are pruned");
            Refused::new(RefusedKind::NotFound, explain.because(&error))
        })?;
        if matches!(self.lock, Lock::Starting)
            && !records.iter().any(|r| matches!(r.kind(), Some(Kind::Ended { .. })))
        {
            let explain = Explain::new(
                "site-starting",
                format!("{} is being taken over by a new keeper", self.at.site),
            )
            .help("ask again in a moment");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        }
        let events = EventLog::new(&records);
        events.close();
        Ok(events.stream(from))
    }

    pub(crate) fn serving_manifest(
        &self,
    ) -> Result<(ReleaseNumber, Arc<model::manifest::Manifest>), Refused> {
        let Some(serving) = self.at.books.read().serving else {
            let explain = Explain::new("nothing-deployed", format!("{} serves nothing yet", self.at.site))
                .help("`mainstay deploy` puts the first release there");
            return Err(Refused::new(RefusedKind::NotFound, explain));
        };
        Ok((serving, self.at.manifest(serving).map_err(Refused::failed)?))
    }

    fn config(&self, release: Option<ReleaseNumber>) -> Result<model::manifest::Manifest, Refused> {
        let Some(release) = release else { return self.serving_manifest().map(|(_, m)| (*m).clone()) };
        begin::whole_release(&self.at, release)?;
        Ok((*self.at.manifest(release).map_err(Refused::failed)?).clone())
    }

    fn runnable(&self, service: Option<model::ServiceName>) -> Result<Runnable, Refused> {
        let (release, manifest) = self.serving_manifest()?;
        let known = |name: &model::ServiceName| manifest.programs().any(|program| program.service == name);
        let first = manifest.programs().next().map(|program| program.service.clone());
        let Some(service) = service.clone().filter(known).or(first.filter(|_| service.is_none())) else {
            return Err(begin::no_service(manifest.programs().map(|program| program.service)));
        };
        let (release_dir, shared_dir) = (self.at.layout.files(release), self.at.layout.shared());
        let kept_secrets = self.at.kept_secrets(release);
        Ok(Runnable { release, service, manifest, release_dir, shared_dir, kept_secrets })
    }
}
