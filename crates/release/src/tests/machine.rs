//! The machine under the deploy machine: instances, jobs, a database, an edge. It outlives every keeper, and it watches
//! the promises: what serves is never stopped, never empty.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use model::{Address, InstanceName, ProcessId, Site, Traffic, traffic::FirstBytes};
use tokio::{sync::watch, time::Instant};

use crate::world::{
    Disk, InstanceState, JobEnd, JobKind, Observed, PoolId, PoolState, ProbeSeen, Served, SiteTable,
    StartOrder, TableRoute,
};

/// How an app behaves; its command's words say it: `good`, `slow:20`, `throws`, …
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Behaviour {
    Good,
    /// Up after so many seconds.
    Slow(u64),
    /// Ends 300 ms after each start.
    Throws,
    /// Runs and never accepts.
    NeverUp,
    /// Up, but its readiness probe answers 503.
    NeverReady,
    /// Answers smoke requests with 500.
    Answers500,
    /// Ends once, so many seconds after its start.
    CrashesAfter(u64),
    /// In a crash loop, so many seconds after its start.
    LoopsAfter(u64),
    /// No longer ready so many seconds after its start.
    UnreadyAfter(u64),
    /// Listens where it should not.
    Elsewhere,
    /// Fails so many in a hundred requests.
    Errs(u64),
    /// Answers so many milliseconds after it was asked.
    Lags(u64),
}

impl Behaviour {
    fn of(command: &[String]) -> Self {
        let (word, seconds) = command[0].split_once(':').unwrap_or((&command[0], "0"));
        let seconds = seconds.parse().unwrap();
        match word {
            "good" => Self::Good,
            "slow" => Self::Slow(seconds),
            "throws" => Self::Throws,
            "never-up" => Self::NeverUp,
            "never-ready" => Self::NeverReady,
            "500" => Self::Answers500,
            "crashes-after" => Self::CrashesAfter(seconds),
            "loops-after" => Self::LoopsAfter(seconds),
            "unready-after" => Self::UnreadyAfter(seconds),
            "elsewhere" => Self::Elsewhere,
            "errs" => Self::Errs(seconds),
            "lags" => Self::Lags(seconds),
            other => panic!("no behaviour {other}"),
        }
    }
}

pub(super) struct Instance {
    pub process: ProcessId,
    pub behaviour: Behaviour,
    pub started: Instant,
    pub port: u16,
}

impl Instance {
    fn exits(&self) -> u64 {
        let lived = self.started.elapsed();
        match self.behaviour {
            Behaviour::Throws => lived.as_millis() as u64 / 800 + u64::from(lived.as_millis() % 800 >= 300),
            Behaviour::CrashesAfter(seconds) => u64::from(lived >= Duration::from_secs(seconds)),
            Behaviour::LoopsAfter(seconds) if lived >= Duration::from_secs(seconds) => 11,
            _ => 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        let lived = self.started.elapsed();
        match self.behaviour {
            Behaviour::Throws | Behaviour::NeverUp => false,
            Behaviour::Slow(seconds) => lived >= Duration::from_secs(seconds),
            Behaviour::LoopsAfter(seconds) if lived >= Duration::from_secs(seconds) => false,
            _ => lived >= Duration::from_millis(200),
        }
    }

    fn is_ready(&self) -> bool {
        let sick = match self.behaviour {
            Behaviour::NeverReady => true,
            Behaviour::UnreadyAfter(seconds) => self.started.elapsed() >= Duration::from_secs(seconds),
            _ => false,
        };
        self.is_up() && !sick
    }

    /// What users got from a pool of such instances that is asked 20 times a second.
    fn traffic(&self, since: Instant) -> Traffic {
        let answers = since.elapsed().as_millis() as u64 / 50;
        let (errors, took_ms) = match self.behaviour {
            Behaviour::Errs(percent) => (answers * percent / 100, 10),
            Behaviour::Lags(took_ms) => (0, took_ms),
            _ => (answers / 200, 10),
        };
        let bin = FirstBytes::bin(Duration::from_millis(took_ms));
        let first_bytes = FirstBytes([(bin, answers - errors)].into());
        Traffic { answers, errors, clients: errors.min(10), first_bytes }
    }

    fn observed(&self, name: &InstanceName) -> Observed {
        let state = match self.behaviour {
            _ if self.is_up() => InstanceState::Up,
            Behaviour::Throws if self.exits() > 0 => InstanceState::BackingOff,
            Behaviour::LoopsAfter(_) if self.exits() > 0 => InstanceState::Degraded,
            _ => InstanceState::Starting,
        };
        let fault = (self.behaviour == Behaviour::Elsewhere && self.is_up())
            .then(|| model::Explain::new("listens-elsewhere", format!("{name} listens on another port")));
        Observed {
            name: name.clone(),
            process: self.process,
            pid: Some(u32::from(self.port)),
            state,
            address: Some(Address::Tcp(([127, 0, 0, 1], self.port).into())),
            exits: self.exits(),
            last_exit: (self.exits() > 0).then(|| "exit 1".into()),
            fault,
            warnings: Vec::new(),
            last_probe: None,
            since: None,
            memory_bytes: self.is_up().then_some(60 << 20),
            memory_peak_bytes: self.is_up().then_some(100 << 20),
        }
    }

    fn last_words(&self) -> &'static str {
        match self.behaviour {
            Behaviour::Throws => "OSError: [Errno 98] Address already in use",
            // Of a request's, and not why it is refused.
            _ => "Error: EACCES: permission denied, open '/etc/shadow'",
        }
    }

    pub(super) fn probe(&self) -> ProbeSeen {
        ProbeSeen {
            request: format!("GET http://127.0.0.1:{}/ready", self.port),
            outcome: if self.is_ready() { "200 OK".into() } else { "503 Service Unavailable".into() },
            headers: vec!["content-type: text/plain".into()],
            body: if self.is_ready() { "ok".into() } else { "warming up".into() },
        }
    }
}

#[derive(Clone)]
pub(super) enum Job {
    Running,
    Ended(JobEnd),
}

/// A scheduled run that was begun.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ran {
    pub service: String,
    pub release: u64,
    pub process: ProcessId,
    pub at: jiff::Timestamp,
}

/// What is open in a pool until a moment.
pub(super) type OpenUntil = Instant;

#[derive(Default)]
pub(super) struct Inner {
    pub instances: BTreeMap<(Site, InstanceName), Instance>,
    pub next_port: u16,
    pub epoch: u64,
    pub tables: BTreeMap<Site, (u64, SiteTable)>,
    /// When the edge first saw a pool: it takes a while until it is probed ready.
    pub pools_since: BTreeMap<(Site, PoolId), Instant>,
    /// When routes first led to a pool.
    pub live_since: BTreeMap<(Site, PoolId), Instant>,
    /// Streams that a draining pool holds.
    pub streams: BTreeMap<PoolId, OpenUntil>,
    pub jobs: BTreeMap<ProcessId, Job>,
    /// From the order for a job to its process.
    pub job_begins_after: Duration,
    /// From a job's process to the word that it is there.
    pub job_told_after: Duration,
    /// Scheduled runs, in the order in which they began.
    pub ran: Vec<Ran>,
    /// When the machine was made; its clock shows ten o'clock then, and this much more.
    pub made: Option<Instant>,
    pub clock_ahead: jiff::SignedDuration,
    pub databases: BTreeMap<Site, u64>,
    pub migrations_run: u64,
    pub missing_secrets: BTreeSet<String>,
    /// Of all their values.
    pub secrets_version: u64,
    pub disk: Option<Disk>,
    pub memory_available: Option<u64>,
    /// The edge takes a table, but its answer is lost, so many times.
    pub lose_answers: u32,
    /// The edge says nothing of its pools, so many times.
    pub silent_pools: u32,
    /// The edge refuses so many tables.
    pub refuse_tables: u32,
    /// The keeper that publishes the next switch dies when the edge has taken it and before it hears so.
    pub die_at_switch: bool,
    /// The table of the next switch is on its way for so long.
    pub late_switch: Option<Duration>,
    /// A migration's job never ends while this holds.
    pub migration_time: Duration,
    pub down: bool,
    pub broken_promises: Vec<String>,
    pub switches: Vec<(Site, u64)>,
    pub hints: Vec<InstanceName>,
    pub stopped: Vec<InstanceName>,
    /// Hooks that were begun, each with what it was told.
    pub hooks: Vec<(JobKind, BTreeMap<String, String>)>,
    /// The variables of each instance, in the order of their starts.
    pub started_with: Vec<(InstanceName, BTreeMap<String, String>)>,
}

/// Shared by all keepers that live on it, one after another.
#[derive(Clone)]
pub(super) struct Machine {
    inner: Arc<Mutex<Inner>>,
    pub changes: watch::Sender<u64>,
}

/// After so long a pool's probes have passed.
pub(super) const PROBED_AFTER: Duration = Duration::from_millis(700);

impl Machine {
    pub(super) fn new() -> Self {
        let inner = Inner {
            next_port: 4000,
            migration_time: Duration::from_secs(2),
            made: Some(Instant::now()),
            ..Inner::default()
        };
        Self { inner: Arc::new(Mutex::new(inner)), changes: watch::channel(0).0 }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Power cut: no process is left; what is on disks stays.
    pub(super) fn reboot(&self) {
        let mut inner = self.lock();
        inner.instances.clear();
        inner.streams.clear();
        inner.pools_since.clear();
        inner.live_since.clear();
        inner.jobs.clear();
        inner.down = true;
    }

    pub(super) fn promises(&self) -> Vec<String> {
        self.lock().broken_promises.clone()
    }
}

impl Inner {
    pub(super) fn now(&self) -> jiff::Timestamp {
        let ten: jiff::Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        ten + jiff::SignedDuration::try_from(self.made.unwrap().elapsed()).unwrap() + self.clock_ahead
    }

    pub(super) fn begin_job(&mut self, order: &crate::world::JobOrder) -> Result<(), model::Explain> {
        if let Some(own) = &order.scheduled {
            let service = own.service.to_string();
            let goes_on = |ran: &Ran| matches!(self.jobs.get(&ran.process), Some(Job::Running));
            if self.ran.iter().any(|ran| ran.service == service && goes_on(ran)) {
                self.broken_promises.push(format!("two runs of {service} at once"));
            }
            if order.argv[0] == "cannot" {
                return Err(model::Explain::new("job-not-started", "no such program"));
            }
            let (release, process, at) = (order.release.0, order.process, self.now());
            self.ran.push(Ran { service, release, process, at });
        }
        if order.kind.is_hook() {
            let told = order.env.iter().chain(&order.told);
            self.hooks.push((order.kind, told.map(|(name, value)| (name.clone(), value.clone())).collect()));
        }
        self.jobs.insert(order.process, Job::Running);
        Ok(())
    }

    pub(super) fn observe(&self, site: &Site) -> Vec<Observed> {
        let of_site = self.instances.iter().filter(|((s, _), _)| s == site);
        of_site.map(|((_, name), instance)| instance.observed(name)).collect()
    }

    pub(super) fn start(&mut self, order: &StartOrder) -> Result<(), model::Explain> {
        let key = (order.site.clone(), order.name.clone());
        if let Some(there) = self.instances.get(&key) {
            return if there.process == order.process {
                Ok(())
            } else {
                Err(model::Explain::new("name-taken", format!("{} runs already", order.name)))
            };
        }
        if order.manifest.recreates() {
            let others = self.instances.keys().filter(|(site, _)| *site == order.site);
            let others: Vec<_> = others.filter(|(_, name)| name.release != order.name.release).collect();
            if let Some((_, other)) = others.first() {
                self.broken_promises.push(format!("{} was started beside {other}", order.name));
            }
        }
        self.next_port += 1;
        let service = &order.manifest.services[&order.name.service];
        let twin = self.instances.keys().find(|(s, n)| *s == order.site && n.service == order.name.service);
        if let Some((_, twin)) = twin.filter(|_| service.overlap == model::manifest::Overlap::Never) {
            self.broken_promises.push(format!("{} was started beside {twin}", order.name));
        }
        assert!(order.release_dir.join("app").exists(), "{} is started without its files", order.name);
        self.started_with.push((order.name.clone(), service.env.clone()));
        let instance = Instance {
            process: order.process,
            behaviour: Behaviour::of(&service.command),
            started: Instant::now(),
            port: self.next_port,
        };
        self.instances.insert(key, instance);
        Ok(())
    }

    /// Stopping what serves, outside of `down`, breaks the first promise.
    pub(super) fn stop(&mut self, site: &Site, name: &InstanceName) {
        let live = self.tables.get(site).into_iter().flat_map(|(_, table)| {
            let routed = |id: &PoolId| table.routes.iter().any(|r| r.pool == *id);
            table.pools.iter().filter(move |p| p.state == PoolState::Live && routed(&p.id))
        });
        if !self.down && live.flat_map(|pool| &pool.upstreams).any(|u| u.instance == *name) {
            self.broken_promises.push(format!("{name} of {site} was stopped while it served"));
        }
        self.instances.remove(&(site.clone(), name.clone()));
        self.stopped.push(name.clone());
    }

    /// An epoch for a table that is being sent.
    pub(super) fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    pub(super) fn is_switch(&self, site: &Site, table: &SiteTable) -> bool {
        self.tables.get(site).is_none_or(|(_, served)| served.generation != table.generation)
    }

    /// What the edge does with a table: one of a lower epoch than it serves is refused.
    pub(super) fn take_table(&mut self, site: &Site, epoch: u64, table: SiteTable) -> Served {
        if let Some((served, old)) = self.tables.get(site)
            && *served > epoch
        {
            return Served { epoch: *served, generation: old.generation, release: old.release };
        }
        let before = self.tables.get(site);
        let served_before = before.is_some_and(|(_, table)| !table.routes.is_empty());
        if before.map(|(_, table)| table.generation) != Some(table.generation) {
            self.switches.push((site.clone(), table.generation));
        }
        let reached = |id: &PoolId| {
            let pool = table.pools.iter().find(|p| p.id == *id);
            let upstreams = pool.into_iter().flat_map(|p| &p.upstreams);
            let instances = upstreams.filter_map(|u| self.instances.get(&(site.clone(), u.instance.clone())));
            instances.filter(|i| i.is_up() || i.exits() > 0).count() > 0
        };
        if served_before && !self.down && table.maintenance.is_none() {
            if table.routes.is_empty() {
                self.broken_promises.push(format!("{site} lost its routes in epoch {epoch}"));
            }
            for pool in table.routes.iter().flat_map(TableRoute::pools).filter(|pool| !reached(pool)) {
                self.broken_promises.push(format!("{site}: {pool} leads to nothing in epoch {epoch}"));
            }
        }
        for pool in &table.pools {
            self.pools_since.entry((site.clone(), pool.id.clone())).or_insert_with(Instant::now);
        }
        for pool in table.routes.iter().flat_map(TableRoute::pools) {
            self.live_since.entry((site.clone(), pool.clone())).or_insert_with(Instant::now);
        }
        let served = Served { epoch, generation: table.generation, release: table.release };
        self.tables.insert(site.clone(), (epoch, table));
        served
    }

    pub(super) fn last_words(&self, site: &Site, instance: &InstanceName) -> &'static str {
        self.instances.get(&(site.clone(), instance.clone())).map_or("", Instance::last_words)
    }

    pub(super) fn failures(&self, site: &Site, pool: &PoolId, instance: &InstanceName) -> u32 {
        let probed = self.pools_since.contains_key(&(site.clone(), pool.clone()));
        let well = self.instances.get(&(site.clone(), instance.clone())).is_some_and(Instance::is_ready);
        if probed && !well { 3 } else { 0 }
    }

    pub(super) fn traffic(&self, site: &Site, pool: &PoolId) -> Traffic {
        let routed = self.live_since.get(&(site.clone(), pool.clone()));
        let of_pool = |((s, name), _): &(&(Site, InstanceName), &Instance)| {
            let table = self.tables.get(site).map(|(_, table)| table);
            let pool = table.and_then(|table| table.pools.iter().find(|known| known.id == *pool));
            s == site && pool.is_some_and(|pool| pool.upstreams.iter().any(|u| u.instance == *name))
        };
        let instance = self.instances.iter().find(of_pool).map(|(_, instance)| instance);
        routed.zip(instance).map(|(since, instance)| instance.traffic(*since)).unwrap_or_default()
    }

    pub(super) fn ready(&self, site: &Site, pool: &PoolId, instance: &InstanceName) -> bool {
        let probed = self.pools_since.get(&(site.clone(), pool.clone()));
        let probed = probed.is_some_and(|since| since.elapsed() >= PROBED_AFTER);
        probed && self.instances.get(&(site.clone(), instance.clone())).is_some_and(Instance::is_ready)
    }
}
