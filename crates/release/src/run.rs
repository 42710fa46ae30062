//! One run of the deploy machine: what it is about, how it writes its journal, how it stops early.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use api::deploy::Phase;
use model::{
    DeployId, Explain, InstanceName, ProcessId, ReleaseId, ReleaseNumber, ServiceName, manifest::Manifest,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    approve::Approval,
    deploy::End,
    events::EventLog,
    figures::Baseline,
    journal::{Course, Journal, Kind, Record},
    layout::told,
    request::MigrateVerb,
    scene::Scene,
    state::{Group, State},
    symptoms,
    table::has_pool,
    unwritten::Unwritten,
    world::{InstanceState, JobKind, JobOrder, Observed, PoolStatus, ProbeSeen, World},
};

/// What a run is about; what its first record says.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub deploy: DeployId,
    pub verb: String,
    pub course: Course,
    pub from: Option<ReleaseNumber>,
    pub to: ReleaseNumber,
    pub release: Option<ReleaseId>,
    /// Of the groups that it starts, and the label of the table that it switches to.
    pub generation: u64,
    pub drain_now: bool,
    /// The generation whose kept values of secrets its processes are given; `None`: today's values.
    pub secrets_of: Option<u64>,
}

/// A run's journal with those who listen to it.
pub(crate) struct Log {
    // The lock is held for one append; one run has one journal.
    journal: Mutex<Journal>,
    pub events: Arc<EventLog>,
    /// Records that the disk did not take last.
    pub lost: Unwritten,
    pub phase: watch::Sender<Phase>,
    pub approval: watch::Sender<Approval>,
}

impl Log {
    pub(crate) fn new(journal: Journal, events: Arc<EventLog>, phase: Phase) -> Self {
        let phase = watch::channel(phase).0;
        let approval = watch::channel(Approval::default()).0;
        Self { journal: Mutex::new(journal), events, lost: Unwritten::default(), phase, approval }
    }

    /// Writes one record and waits for the disk.
    /// # Errors
    /// What it announced must then not be done.
    pub(crate) fn append(&self, kind: Kind) -> Result<(), Explain> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let record = journal.append(kind).map_err(|error: io::Error| {
            let error = told("journal-unwritable", "write the journal", journal.path(), &error);
            self.lost.failed(journal.now(), &error);
            error
        })?;
        drop(journal);
        self.lost.is_over();
        self.events.push(&record);
        if let Some(Kind::Entered { phase }) = record.kind() {
            machine::failpoint::hit(&format!("deploy-{}", phase.name()));
        }
        #[cfg(test)]
        crate::tests::failpoint::after_record(&record);
        Ok(())
    }

    /// For what is told but decides nothing: a full disk loses it, not the deploy.
    pub(crate) fn note(&self, message: impl Into<String>) {
        let phase = *self.phase.borrow();
        self.tell(Kind::Note { phase, message: message.into() });
    }

    pub(crate) fn warn(&self, warning: Explain) {
        self.tell(Kind::Warned { warning });
    }

    pub(crate) fn tell(&self, kind: Kind) {
        if let Err(error) = self.append(kind) {
            tracing::error!(%error, "A line of the deploy's journal is lost.");
        }
    }
}

/// Why a run does not go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Halt {
    /// Before the switch: users never saw it.
    Abort(Explain),
    /// After the switch: the old release takes over again, if it can.
    Return(Explain),
    /// A person must look; `migration`: the database is between two schemas.
    Hold { explain: Explain, migration: bool },
}

/// Before the switch any error aborts; phases after it say themselves what an error means.
impl From<Explain> for Halt {
    fn from(explain: Explain) -> Self {
        Self::Abort(explain)
    }
}

/// Everything that the phases share.
pub(crate) struct Run<W> {
    pub at: Arc<Scene<W>>,
    pub task: Task,
    pub manifest: Arc<Manifest>,
    pub log: Arc<Log>,
    /// Cancelled by an operator, never by the keeper's end.
    pub cancel: CancellationToken,
    /// Of the whole run up to the bake.
    pub deadline: Instant,
    pub changes: watch::Receiver<u64>,
    /// Lines of the final report.
    pub report: Vec<String>,
    /// What the bake compares with; empty before the switch.
    pub before: Before,
    /// Some users had the new release before the switch, or may have had it.
    pub had_canary: bool,
    /// By this keeper or one before it: none is begun a second time.
    pub hooks_begun: Vec<JobKind>,
    /// The schema that the database had before a migration of this run, or of the one that is held, began.
    pub migrates_from: Option<u64>,
    /// Whose deploy it is, for the hooks.
    pub operator: String,
    /// What its end is about could not be written: it gets none, and is taken up again until it can.
    pub is_owed: bool,
    /// How it ended when that was so.
    pub first_end: Option<End>,
}

/// The state of things just before the switch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Before {
    /// Of the new instances.
    pub exits: u64,
    /// Of the old side.
    pub traffic: Baseline,
}

impl Before {
    /// As a keeper before this one wrote it down.
    pub(crate) fn of(records: &[Record]) -> Self {
        let last = records.iter().rev().filter_map(Record::kind).find_map(|kind| match kind {
            Kind::Baseline { exits, traffic } => Some(Self { exits: *exits, traffic: traffic.clone() }),
            _ => None,
        });
        last.unwrap_or_default()
    }
}

impl<W: World> Run<W> {
    pub(crate) fn new(
        at: Arc<Scene<W>>,
        task: Task,
        manifest: Arc<Manifest>,
        log: Arc<Log>,
        cancel: CancellationToken,
        operator: String,
    ) -> Self {
        let deadline = Instant::now() + at.settings.deploy_limit;
        let changes = at.world.changes(&at.site);
        Self {
            at,
            task,
            manifest,
            log,
            cancel,
            deadline,
            changes,
            report: Vec::new(),
            before: Before::default(),
            had_canary: false,
            hooks_begun: Vec::new(),
            migrates_from: None,
            operator,
            is_owed: false,
            first_end: None,
        }
    }

    /// A change of the books that the end of this run is about. On a full disk it is owed.
    pub(crate) fn book(&mut self, change: impl FnOnce(&mut State)) {
        if let Err(error) = self.at.books.change(change) {
            self.is_owed = true;
            self.at.owed.failed(self.at.stamp(), &error);
            self.log.warn(error);
        }
    }

    pub(crate) fn enter(&self, phase: Phase) -> Result<(), Explain> {
        self.log.append(Kind::Entered { phase })?;
        self.log.phase.send_replace(phase);
        Ok(())
    }

    /// Waits for something to change, one tick at most. Cancel-safe.
    pub(crate) async fn pause(&mut self) {
        let woken = async {
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { std::future::pending().await },
                () = self.cancel.cancelled() => {}
            }
        };
        let _ = timeout(self.at.settings.tick, woken).await;
        // A cancelled run looks once more and ends; one that must finish first does not spin.
        if self.cancel.is_cancelled() {
            tokio::time::sleep(self.at.settings.tick / 10).await;
        }
    }

    /// # Errors
    /// Somebody asked for the end.
    pub(crate) fn check_cancelled(&self) -> Result<(), Explain> {
        if !self.cancel.is_cancelled() {
            return Ok(());
        }
        if self.site_ends() {
            let message =
                format!("the {} was ended with its site, by `mainstay down` or `destroy`", self.task.verb);
            return Err(Explain::new("site-ending", message)
                .help("`mainstay up` starts it again; then deploy once more"));
        }
        Err(Explain::new("cancelled", format!("the {} was cancelled", self.task.verb))
            .help("`mainstay events` says by whom; deploy again when it may go on"))
    }

    pub(crate) fn site_ends(&self) -> bool {
        self.at.ending.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Cancelled, or over the deadline of the whole run.
    pub(crate) fn check_going(&self) -> Result<(), Explain> {
        self.check_cancelled()?;
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let limit = model::Span(self.at.settings.deploy_limit);
        Err(Explain::new("deploy-deadline", format!("the {} took longer than {limit}", self.task.verb))
.caused_by(format!("it was in {}", self.log.phase.borrow().name()))
.help("mend what took long there, and deploy again; a long migration is better run in smaller steps"))
    }

    /// A job of the release that this run is about: in its folder, under its sandbox, with nothing but the shared folder to
    /// write to. What else it needs is for the caller to say.
    pub(crate) fn job_order(
        &self,
        kind: JobKind,
        process: ProcessId,
        argv: Vec<String>,
        timeout: Duration,
    ) -> JobOrder {
        JobOrder {
            argv,
            kept_secrets: self.kept_secrets(),
            timeout,
            ..self.at.job_order(kind, process, self.task.to, &self.manifest)
        }
    }

    /// Where the values of secrets stand that its processes are given; `None`: in their source.
    pub(crate) fn kept_secrets(&self) -> Option<PathBuf> {
        self.task.secrets_of.map(|generation| self.at.layout.kept_secrets(self.task.to, generation))
    }

    pub(crate) fn release_dir(&self) -> PathBuf {
        self.at.layout.files(self.task.to)
    }

    /// The groups that this run starts or returns to, before and after the switch.
    pub(crate) fn brought(&self) -> Vec<Group> {
        let state = self.at.books.read();
        if !state.candidate.is_empty() {
            return state.candidate.clone();
        }
        state.live.iter().filter(|group| group.generation == self.task.generation).cloned().collect()
    }

    /// Whether what serves is stopped before what this run brings is started. The way back to a release is as careful as the
    /// way that led away from it was.
    pub(crate) fn recreates(&self) -> bool {
        let serving = self.task.from.and_then(|release| self.at.manifest(release).ok());
        match self.task.course {
            Course::New { .. } | Course::Existing if self.task.verb == "deploy" => self.manifest.recreates(),
            Course::Existing => self.manifest.recreates() || serving.is_some_and(|old| old.recreates()),
            Course::New { .. } | Course::Restart { .. } => self.manifest.recreates(),
            Course::Warm | Course::Grow { .. } | Course::Recycle { .. } => false,
            Course::Migrate { .. } | Course::Nothing => false,
        }
    }

    /// Whether another operator has to let it go on: what serves may ask for that, too, or what was returned from, else a
    /// manifest could do without it that nobody else has seen.
    pub(crate) fn needs_approval(&self) -> bool {
        let serving = || self.task.from.and_then(|release| self.at.manifest(release).ok());
        self.task.verb == "deploy"
            && (self.manifest.deploy.approval
                || self.at.books.read().approval
                || serving().is_some_and(|serving| serving.deploy.approval))
    }

    /// Whether it is about the contract step, begun or taken up again.
    pub(crate) fn contracts(&self) -> bool {
        let held = || self.at.books.read().held.as_ref().is_some_and(|held| held.contract);
        match self.task.course {
            Course::Migrate { verb: MigrateVerb::Contract } => true,
            Course::Migrate { verb: MigrateVerb::Retry } => held(),
            _ => false,
        }
    }

    /// What still serves if this run ends now, as a sentence.
    pub(crate) fn now_serving(&self) -> String {
        if self.site_ends() {
            return format!("{} is being stopped, and serves nothing from then on", self.at.site);
        }
        let state = self.at.books.read();
        match state.serving {
            Some(release) if state.recess.is_some() => {
                format!("release {release} is stopped, so nobody is served")
            }
            Some(release) => format!("release {release} still serves all traffic"),
            None => "nothing was deployed before, so nothing is served".into(),
        }
    }

    /// `error` with a look whether what it says to serve does: everything may have been killed meanwhile.
    pub(crate) async fn seen(&self, error: Explain) -> Explain {
        let said = self.now_serving();
        let Some(now) = error.now.as_ref().filter(|now| now.contains(&said)) else { return error };
        match self.unserved().await {
            Some(truth) => Explain { now: Some(now.replace(&said, &truth)), ..error },
            None => error,
        }
    }

    /// What is true where requests lead to a service of which nothing is up.
    async fn unserved(&self) -> Option<String> {
        let state = self.at.books.read();
        let release = state.serving.filter(|_| state.recess.is_none() && !self.site_ends())?;
        let observed = self.at.observed().await.ok()?;
        let is_up = |name: &InstanceName| {
            observed.iter().any(|seen| seen.name == *name && seen.state == InstanceState::Up)
        };
        let is_down = |group: &&Group| {
            let routed = self.at.manifest(group.release).is_ok_and(|m| has_pool(&m, &group.service));
            routed && !group.members.iter().any(|member| is_up(&member.name))
        };
        let down: Vec<&str> = state.live.iter().filter(is_down).map(|group| group.service.as_str()).collect();
        (!down.is_empty()).then(|| {
            format!("requests go to release {release}, of which no instance of {} is up", down.join(", "))
        })
    }

    /// Adds what a person needs to see of an instance: the last answer to a probe, the last lines of its log.
    pub(crate) async fn with_evidence(
        &self,
        explain: Explain,
        name: &InstanceName,
        observed: &[Observed],
        pools: &[PoolStatus],
    ) -> Explain {
        let seen = observed.iter().find(|o| o.name == *name);
        let by_edge = pools.iter().flat_map(|p| &p.upstreams).find(|u| u.instance == *name);
        let probe =
            by_edge.and_then(|u| u.last_probe.as_ref()).or_else(|| seen.and_then(|o| o.last_probe.as_ref()));
        let mut explain = explain;
        if let Some(probe) = probe {
            explain = explain.caused_by(format!("{}: {}", probe.request, probe.outcome));
        }
        if let Some(exit) = seen.and_then(|o| o.last_exit.as_ref()) {
            explain = explain.caused_by(last_end(name, exit));
        }
        if let Some(probe) = probe {
            explain = explain.detail(format!("last answer of {name}"), probe_lines(probe));
        }
        let lines = self.at.world.tail_log(&self.at.site, name, self.at.settings.log_lines).await;
        if lines.is_empty() {
            return explain;
        }
        // What an app that is up logs of its own may have nothing to do with why it is refused.
        let died = seen.is_some_and(|o| o.exits > 0 || o.state != InstanceState::Up);
        let explain = if died { self.with_symptoms(explain, &lines).await } else { explain };
        explain.detail(format!("last {} log lines of {name}", lines.len()), lines)
    }

    async fn with_symptoms(&self, explain: Explain, lines: &[String]) -> Explain {
        let holder = match symptoms::taken_port(lines) {
            Some(port) => self.at.world.listener(port).await,
            None => None,
        };
        symptoms::told(explain, lines, holder.as_deref())
    }

    /// The instances that a service gets from this run.
    pub(crate) fn wanted(&self, service: &ServiceName) -> u32 {
        let state = self.at.books.read();
        match &self.task.course {
            Course::Grow { service: only, instances }
            | Course::Restart { service: Some(only), instances: Some(instances) }
                if only == service =>
            {
                *instances
            }
            Course::Recycle { .. } => 1,
            _ => state.instances(&self.manifest, service),
        }
    }
}

/// `exit` is a sentence without its subject: `exited with status 1`, `was not up within its deadline`.
pub(crate) fn last_end(name: &InstanceName, exit: &str) -> String {
    format!("the last end of {name}: {exit}")
}

fn probe_lines(probe: &ProbeSeen) -> Vec<String> {
    let mut lines = vec![format!("{} -> {}", probe.request, probe.outcome)];
    lines.extend(probe.headers.iter().cloned());
    if !probe.body.is_empty() {
        lines.push(String::new());
        lines.extend(probe.body.lines().map(str::to_owned));
    }
    lines
}
