//! What the deploy machine needs from the rest of the keeper: processes, the edge, the machine.
//!
//! The binary implements [`World`] over the supervisor and the edge's control socket; the tests implement it in memory.
//! This room knows no socket and no process id beyond this trait. All methods are cancel-safe: a dropped future leaves
//! what was asked either done or not begun, and the caller looks again before it goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use model::{
    Address, Explain, InstanceName, Notice, ProcessId, ReleaseNumber, Sandbox, ServiceName, Site, Traffic,
    manifest::{Drain, DrainHint, Limits, Logs, Manifest, ReadinessProbe, Route, Smoke, StopSignal},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

type Told<T> = Result<T, Explain>;

/// Processes, edge and machine as the deploy machine sees them.
pub trait World: Send + Sync + 'static {
    // ── instances ──

    /// Every instance of the site that the supervisor holds, adopted ones included, stopped ones not.
    fn observed(&self, site: &Site) -> impl Future<Output = Told<Vec<Observed>>> + Send;

    /// A counter that moves whenever an instance of the site or what the edge says of it changes. Waking up late is
    /// allowed (everything is also looked at every [`crate::Settings::tick`]); never waking up only costs that time.
    fn changes(&self, site: &Site) -> watch::Receiver<u64>;

    /// Spawns one instance and returns once its shim has it; start-up probe, restarts and the check of what it listens
    /// on are the supervisor's and are read from [`World::observed`]. An order for a name that already runs under the
    /// same process id is a success.
    /// # Errors
    /// What no restart would mend: program not found, no such user, no port left.
    fn start_instance(&self, order: StartOrder) -> impl Future<Output = Told<()>> + Send;

    /// Takes care of one instance of what has served. What keeps it from starting now (secrets that do not resolve, no
    /// account, no port) is tried again until it is stopped, and read from [`World::observed`]. Returns before it runs.
    /// # Errors
    /// Its manifest has no such service.
    fn keep_instance(&self, order: StartOrder) -> impl Future<Output = Told<()>> + Send;

    /// Signal, grace, kill; returns when no process of it is left. Unknown instances are a success.
    fn stop_instance(&self, order: StopOrder) -> impl Future<Output = Told<()>> + Send;

    /// Tells one instance that it drains, as the manifest asks.
    fn hint(
        &self,
        site: &Site,
        instance: &InstanceName,
        hint: &DrainHint,
    ) -> impl Future<Output = Told<()>> + Send;

    /// The last lines of an instance's log, oldest first, already redacted. An instance without a log: none.
    fn tail_log(
        &self,
        site: &Site,
        instance: &InstanceName,
        lines: usize,
    ) -> impl Future<Output = Vec<String>> + Send;

    /// Who listens on a TCP port of this machine now, in words; `None`: nobody, or nobody that can be seen.
    fn listener(&self, port: u16) -> impl Future<Output = Option<String>> + Send;

    // ── jobs ──

    /// Starts a process that ends by itself as the app's user, through a shim, under the process id given (it is written
    /// down before, so that a successor finds it). Ends it with SIGTERM, then SIGKILL, after `timeout`. Returns once its
    /// shim has it.
    fn start_job(&self, order: JobOrder) -> impl Future<Output = Told<()>> + Send;

    /// The same, and waits for its end. Dropping the future does not end the process.
    fn run_job(&self, order: JobOrder) -> impl Future<Output = Told<JobEnd>> + Send {
        async move {
            let (site, process) = (order.site.clone(), order.process);
            self.start_job(order).await?;
            Ok(self.adopt_job(&site, process).await?.unwrap_or_default())
        }
    }

    /// Waits for a job that this keeper or another one started; its time is what is left of the timeout that it was started with.
    /// `None`: no such process lives and no end of it is known.
    fn adopt_job(&self, site: &Site, process: ProcessId)
    -> impl Future<Output = Told<Option<JobEnd>>> + Send;

    /// Stops a job; unknown ones are a success.
    fn stop_job(&self, site: &Site, process: ProcessId) -> impl Future<Output = Told<()>> + Send;

    /// Leaves nothing behind of a scheduled run whose end is written down; until then every keeper finds that end by
    /// [`World::adopt_job`]. Other jobs are forgotten as they end. One that runs, or is unknown, is left alone.
    fn forget_job(&self, site: &Site, process: ProcessId) -> impl Future<Output = ()> + Send;

    /// Everything of the site that runs now and ends by itself, oldest first: jobs, and what people started beside them.
    fn jobs(&self, site: &Site) -> Vec<api::status::Job>;

    // ── edge ──

    /// Gives the edge the site's whole table under a new, higher epoch and returns when the edge has persisted and
    /// acknowledged it. Tables of other sites stay as they were, also those that a keeper before this one published.
    /// An error or a dropped future says nothing: ask [`World::served`].
    fn publish(&self, site: &Site, table: SiteTable) -> impl Future<Output = Told<Served>> + Send;

    /// What the edge serves for this site, from what it persisted if it does not answer; `None`: nothing yet.
    fn served(&self, site: &Site) -> impl Future<Output = Told<Option<Served>>> + Send;

    /// What clients of this site get, in the edge's own word: for people. What a deploy goes by is [`World::served`].
    fn in_effect(&self, site: &Site) -> impl Future<Output = Told<InEffect>> + Send;

    /// What the edge knows of the site's pools.
    fn pools(&self, site: &Site) -> impl Future<Output = Told<Vec<PoolStatus>>> + Send;

    /// One request through the real path of the edge (its private listener), to this pool only. An answer with any
    /// status is `Ok`; no answer within `limit` is an error.
    fn smoke(&self, order: SmokeOrder) -> impl Future<Output = Told<SmokeAnswer>> + Send;

    /// Ends what a draining pool still holds, by its class rules, now.
    fn drain_now(&self, site: &Site, pool: &PoolId) -> impl Future<Output = Told<()>> + Send;

    // ── machine ──

    /// A salted digest per secret, for telling a change without telling the value.
    /// # Errors
    /// Names the secrets that do not resolve, where they were looked for, and the remedy.
    fn secret_digests(
        &self,
        site: &Site,
        names: &BTreeSet<String>,
    ) -> impl Future<Output = Told<BTreeMap<String, String>>> + Send;

    /// The same, and keeps the values in `file`, encrypted to this machine's key.
    /// # Errors
    /// As [`World::secret_digests`]; or the file or the key cannot be written.
    fn keep_secrets(
        &self,
        site: &Site,
        names: &BTreeSet<String>,
        file: &Path,
    ) -> impl Future<Output = Told<BTreeMap<String, String>>> + Send;

    /// The same of values that [`World::keep_secrets`] has kept.
    /// # Errors
    /// Names the secrets whose values are not there or cannot be opened any more, and the remedy.
    fn kept_digests(&self, file: &Path, names: &BTreeSet<String>) -> Told<BTreeMap<String, String>>;

    /// Room on the file system of `path`.
    fn disk(&self, path: &Path) -> Told<Disk>;

    /// Bytes of memory that new processes can have.
    fn memory_available(&self) -> Told<u64>;

    /// What a person types to reach these routes, from the machine's listeners.
    fn urls(&self, routes: &[Route]) -> Vec<String>;

    /// The wall clock. It may jump.
    fn now(&self) -> Timestamp;

    /// The name of this host, for records.
    fn host(&self) -> String;
}

/// An instance as the supervisor knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub name: InstanceName,
    /// Of the process that runs now; restarts may change it.
    pub process: ProcessId,
    pub pid: Option<u32>,
    pub state: InstanceState,
    /// Where it takes requests; `None` for workers and before it is known. A restart may change it.
    pub address: Option<Address>,
    /// Exits that nobody asked for since the start order, failed liveness included.
    pub exits: u64,
    /// Those of them that came with the death of its shim: no doing of the release.
    pub lost: u64,
    /// Those of the last hour.
    pub exits_last_hour: u64,
    /// `exit 1`, `SIGKILL (out of memory)`, …
    pub last_exit: Option<String>,
    /// What restarting does not mend: `listens-elsewhere`, `listens-on-all-interfaces` in production, …
    pub fault: Option<Explain>,
    /// What is wrong and lets it run.
    pub warnings: Vec<Explain>,
    /// The supervisor's last startup or liveness probe.
    pub last_probe: Option<ProbeSeen>,
    /// RFC 3339, for people.
    pub since: Option<String>,
    /// Of the process that runs now; no clock that jumps moves it.
    pub age: Option<Duration>,
    pub memory_bytes: Option<u64>,
    /// The most that this process has held.
    pub memory_peak_bytes: Option<u64>,
}

impl Observed {
    /// How often it ended though nobody took its shim.
    pub(crate) fn own_exits(&self) -> u64 {
        self.exits.saturating_sub(self.lost)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// Spawned; the startup probe (or first accept, or `READY=1`) has not passed.
    Starting,
    Up,
    /// Waits before the next start.
    BackingOff,
    /// In a crash loop: tried seldom.
    Degraded,
    Stopping,
    Stopped,
}

impl InstanceState {
    /// The API's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::BackingOff => "backing off",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// What a probe asked and saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSeen {
    /// `GET http://127.0.0.1:4107/up`.
    pub request: String,
    /// `connection refused`, `503 Service Unavailable`, …
    pub outcome: String,
    /// `name: value`, as received; bounded by the prober.
    pub headers: Vec<String>,
    /// At most 500 bytes, lossy UTF-8.
    pub body: String,
}

/// One instance to start.
#[derive(Clone, Debug)]
pub struct StartOrder {
    pub site: Site,
    pub name: InstanceName,
    /// Journalled before this order is given.
    pub process: ProcessId,
    /// The manifest of its release; its service is `manifest.services[name.service]`.
    pub manifest: Arc<Manifest>,
    /// `{release_dir}`: the sealed files.
    pub release_dir: PathBuf,
    /// `{shared_dir}`.
    pub shared_dir: PathBuf,
    /// A file of [`World::keep_secrets`] that its secrets are taken from, instead of their source.
    pub kept_secrets: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct StopOrder {
    pub site: Site,
    pub name: InstanceName,
    pub signal: StopSignal,
    /// Between the signal and SIGKILL.
    pub grace: Duration,
}

/// A process that ends by itself.
#[derive(Clone, Debug)]
pub struct JobOrder {
    pub site: Site,
    pub kind: JobKind,
    pub process: ProcessId,
    /// The command, its placeholders `{release_dir}` and `{shared_dir}` not yet filled; with `is_own` the arguments of the
    /// keeper's own binary from its verb on.
    pub argv: Vec<String>,
    pub is_own: bool,
    pub cwd: PathBuf,
    pub env: BTreeMap<String, String>,
    /// What Mainstay tells it, under names that the app may not set.
    pub told: BTreeMap<String, String>,
    pub env_secrets: Vec<String>,
    /// As in [`StartOrder`].
    pub kept_secrets: Option<PathBuf>,
    pub release: ReleaseNumber,
    pub release_dir: PathBuf,
    pub shared_dir: PathBuf,
    /// Opened by the keeper and passed as descriptor 0.
    pub stdin: Option<PathBuf>,
    /// Made, if missing, and given to the app's user before the start; the job writes nowhere else.
    pub writable: Vec<PathBuf>,
    /// What it may besides.
    pub sandbox: Sandbox,
    /// It reaches no network.
    pub offline: bool,
    pub timeout: Duration,
    pub limits: Limits,
    /// With [`JobKind::Scheduled`]: what its service says.
    pub scheduled: Option<Scheduled>,
}

/// What a service says of its scheduled runs.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// Under whose name it logs.
    pub service: ServiceName,
    pub stop_signal: StopSignal,
    /// Between that signal and SIGKILL.
    pub stop_timeout: Duration,
    pub logs: Logs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    Unpack,
    Build,
    Migrate,
    MigrateDown,
    MigrateContract,
    SchemaStatus,
    Scheduled,
    PreDeploy,
    PostDeploy,
    OnRollback,
}

impl JobKind {
    /// A command of the app around a deploy.
    pub fn is_hook(self) -> bool {
        matches!(self, Self::PreDeploy | Self::PostDeploy | Self::OnRollback)
    }
}

/// How a job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobEnd {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// It was ended because its time was over.
    pub timed_out: bool,
    /// The last lines of stdout, at most 200, oldest first, redacted.
    pub stdout: Vec<String>,
    /// The same of stderr.
    pub stderr: Vec<String>,
}

/// Lines of what a job said that its end shows, of output and of errors.
const SHOWN_LINES: usize = 50;

impl JobEnd {
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// `exit 1`, `signal 9`, `no end within its time`.
    pub fn word(&self) -> String {
        match (self.timed_out, self.code, self.signal) {
            (true, _, _) => "did not end within its time".into(),
            (_, Some(code), _) => format!("exit {code}"),
            (_, _, Some(signal)) => format!("ended by signal {signal}"),
            (false, None, None) => "its end is not known".into(),
        }
    }

    /// `explain` with the end of what the job said.
    pub(crate) fn shown_in(&self, explain: Explain) -> Explain {
        let tail = |lines: &[String]| lines[lines.len().saturating_sub(SHOWN_LINES)..].to_vec();
        let said = [("its last output", &self.stdout), ("its last errors", &self.stderr)];
        let said = said.into_iter().filter(|(_, lines)| !lines.is_empty());
        said.fold(explain, |explain, (title, lines)| explain.detail(title, tail(lines)))
    }
}

/// One start of a service's instances, as the edge knows it: instances of the same service and generation share a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolId {
    pub service: ServiceName,
    /// Counted per site, never reused; a restart of the same release is a new generation.
    pub generation: u64,
}

impl std::fmt::Display for PoolId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.service, self.generation)
    }
}

/// Everything that the edge needs to know of a site. Routes lead to live pools only.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteTable {
    /// Of the last switch: the edge persists and reports it, so that "what serves" is a fact after any crash.
    pub generation: u64,
    /// `None`: nothing has served yet.
    pub release: Option<ReleaseNumber>,
    pub pools: Vec<Pool>,
    /// Empty: the site takes no requests (destroyed, or nothing deployed).
    pub routes: Vec<TableRoute>,
    /// What visitors are told instead of being served.
    pub maintenance: Option<String>,
    /// What an operator has put up in place of the site.
    pub notice: Option<Notice>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub id: PoolId,
    pub release: ReleaseNumber,
    pub state: PoolState,
    /// `None`: an upstream is ready when it accepts.
    pub readiness: Option<ReadinessProbe>,
    /// `Host` of probes: the probe's own, else the first host that leads here, else `localhost`.
    pub host: String,
    pub drain: Drain,
    /// Only instances whose address is known.
    pub upstreams: Vec<Upstream>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolState {
    /// Probed, reached by smoke requests only.
    Candidate,
    Live,
    /// Gets nothing new and is still probed; what it holds ends by the classes of [`Pool::drain`], counted from the
    /// table in which the pool first drains. It may become live again.
    Draining,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub instance: InstanceName,
    pub process: ProcessId,
    pub address: Address,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableRoute {
    pub route: Route,
    pub pool: PoolId,
    /// A pool that takes so many of a hundred clients, and each of them always.
    pub canary: Option<(PoolId, u8)>,
}

impl TableRoute {
    /// Those that its requests may reach.
    pub fn pools(&self) -> impl Iterator<Item = &PoolId> {
        std::iter::once(&self.pool).chain(self.canary.as_ref().map(|(pool, _)| pool))
    }
}

/// What clients get now, and why the edge cannot write that down, where it cannot.
#[derive(Clone, Debug, Default)]
pub struct InEffect {
    pub served: Option<Served>,
    pub unwritten: Option<api::status::Unwritten>,
}

/// What the edge says it serves for a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Of the table that holds it; only ever rises.
    pub epoch: u64,
    /// [`SiteTable::generation`] and [`SiteTable::release`] of that table.
    pub generation: u64,
    pub release: Option<ReleaseNumber>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PoolStatus {
    pub id: PoolId,
    pub upstreams: Vec<UpstreamStatus>,
    /// Held now by the whole pool, also by upstreams that left it.
    pub open: api::status::Open,
    /// What each of those that left it still holds; who holds nothing is not listed.
    pub left: Vec<(InstanceName, api::status::Open)>,
    pub requests: u64,
    /// What users got since the edge knows the pool.
    pub traffic: Traffic,
    /// The same of the last ten minutes.
    pub recent: Traffic,
    /// Answers in neither of the two: the app marked them as another service's fault.
    pub foreign: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamStatus {
    pub instance: InstanceName,
    /// After the thresholds of the readiness probe.
    pub ready: bool,
    /// Failed probes in a row, by the edge that runs now: tells an instance that lost its readiness from one that an
    /// edge has just begun to probe.
    pub failures: u32,
    pub last_probe: Option<ProbeSeen>,
    /// Answered by its process, as the edge that runs now has counted them.
    pub requests: u64,
}

#[derive(Clone, Debug)]
pub struct SmokeOrder {
    pub site: Site,
    pub pool: PoolId,
    /// With its host filled in.
    pub smoke: Smoke,
    pub limit: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmokeAnswer {
    pub status: u16,
    pub headers: Vec<String>,
    /// The first bytes of the body, at most 64 KiB (of an event stream: up to its first event).
    pub body: Vec<u8>,
    /// Which instance answered, by the edge's own record.
    pub instance: Option<InstanceName>,
    /// For event streams: from the request to the first whole event.
    pub first_event_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub free_bytes: u64,
    pub free_inodes: u64,
}
