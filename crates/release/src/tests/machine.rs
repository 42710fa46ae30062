//! The machine under the deploy machine: instances, jobs, a database, an edge. It outlives every keeper, and it watches
//! the promises: what serves is never stopped, never empty.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use api::status::Open;
use model::{InstanceName, ProcessId, ServiceName, Site, Traffic};
use tokio::{sync::watch, time::Instant};

use super::{
    instance::{Behaviour, Instance},
    trace,
};
use crate::world::{
    Disk, JobEnd, JobKind, Observed, PoolId, PoolState, Served, SiteTable, StartOrder, TableRoute,
};

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
    /// A step of the site's database was begun and did not end.
    pub half_done: BTreeSet<Site>,
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
    /// Answers of every pool that were marked as another service's fault.
    pub foreign: u64,
    /// Requests that were smoked through the edge.
    pub smokes: u32,
    /// Epochs that a keeper has heard of. A first switch of which nobody heard may be taken back: to nothing.
    pub told: BTreeSet<u64>,
    /// Streams that an instance holds until then, wherever it is.
    pub held: BTreeMap<InstanceName, Instant>,
    /// The edge is away until then, and with it all that it held.
    pub edge_away_until: Option<Instant>,
    /// The edge refuses so many tables.
    pub refuse_tables: u32,
    /// The keeper that publishes the next switch dies when the edge has taken it and before it hears so.
    pub die_at_switch: bool,
    /// The table of the next switch is on its way for so long.
    pub late_switch: Option<Duration>,
    /// A migration's job never ends while this holds.
    pub migration_time: Duration,
    /// From the order to stop an instance to its end.
    pub stops_take: Duration,
    pub down: bool,
    /// Releases that ask that what serves is stopped before they start.
    recreate: BTreeSet<(Site, model::ReleaseNumber)>,
    pub broken_promises: Vec<String>,
    pub switches: Vec<(Site, u64)>,
    pub hints: Vec<InstanceName>,
    pub stopped: Vec<InstanceName>,
    /// Hooks that were begun, each with what it was told.
    pub hooks: Vec<(JobKind, BTreeMap<String, String>)>,
    /// The variables of each instance, in the order of their starts.
    pub started_with: Vec<(InstanceName, BTreeMap<String, String>)>,
    /// Those of them whose secrets were not from their source, with the file's name.
    pub started_with_kept: Vec<(InstanceName, String)>,
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
            stops_take: Duration::from_millis(100),
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
            return if there.ordered == order.process || there.process == order.process {
                Ok(())
            } else {
                Err(model::Explain::new("name-taken", format!("{} runs already", order.name)))
            };
        }
        if order.manifest.recreates() {
            self.recreate.insert((order.site.clone(), order.name.release));
        }
        let there = self.instances.keys().filter(|(site, _)| *site == order.site);
        let (own, others): (Vec<_>, Vec<_>) = there.partition(|(_, name)| name.release == order.name.release);
        let newest = others.iter().max_by_key(|(_, name)| name.release);
        // Of two releases the newer one's manifest counts; one that stayed beside it may be made whole again.
        if let Some((site, other)) = newest.filter(|_| own.is_empty())
            && self.recreate.contains(&(site.clone(), other.release.max(order.name.release)))
        {
            self.broken_promises.push(format!("{} was started beside {other}", order.name));
        }
        self.next_port += 1;
        let service = &order.manifest.services[&order.name.service];
        let twin = self.instances.keys().find(|(s, n)| *s == order.site && n.service == order.name.service);
        if let Some((_, twin)) = twin.filter(|_| service.overlap == model::manifest::Overlap::Never) {
            self.broken_promises.push(format!("{} was started beside {twin}", order.name));
        }
        assert!(order.release_dir.join("app").exists(), "{} is started without its files", order.name);
        self.started_with.push((order.name.clone(), service.env.clone()));
        if let Some(file) = &order.kept_secrets {
            assert!(file.exists(), "{} is started with values that are not kept", order.name);
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            self.started_with_kept.push((order.name.clone(), name));
        }
        trace::tell(|| format!("{} is started: {}", order.name, service.command[0]));
        let behaviour = Behaviour::of(&service.command);
        let instance = Instance::new(order.process, behaviour, self.next_port, service.restart);
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
        trace::tell(|| format!("{name} is stopped"));
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
        let reached = |table: &SiteTable, id: &PoolId| {
            let pool = table.pools.iter().find(|p| p.id == *id);
            let upstreams = pool.into_iter().flat_map(|p| &p.upstreams);
            let instances = upstreams.filter_map(|u| self.instances.get(&(site.clone(), u.instance.clone())));
            instances.filter(|i| i.is_up() || i.exits() > 0).count() > 0
        };
        if served_before && !self.down && table.maintenance.is_none() {
            let was_told = before.is_some_and(|(epoch, _)| self.told.contains(epoch));
            if table.routes.is_empty() && was_told {
                self.broken_promises.push(format!("{site} lost its routes in epoch {epoch}"));
            }
            let reached_before =
                before.is_some_and(|(_, old)| old.routes.iter().any(|r| reached(old, &r.pool)));
            let lost = |pool: &&PoolId| reached_before && !reached(&table, pool);
            for pool in table.routes.iter().flat_map(TableRoute::pools).filter(lost) {
                self.broken_promises.push(format!("{site}: {pool} leads to nothing in epoch {epoch}"));
            }
        }
        self.judge(site, epoch, &table);
        trace::tell(|| words(epoch, &table));
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

    /// Never two live pools of one service, but where a canary is meant to have some of its clients.
    fn judge(&mut self, site: &Site, epoch: u64, table: &SiteTable) {
        if table.routes.iter().any(|route| route.canary.is_some()) {
            return;
        }
        let mut live = BTreeSet::<&ServiceName>::new();
        for pool in table.pools.iter().filter(|pool| pool.state == PoolState::Live) {
            if !live.insert(&pool.id.service) {
                self.broken_promises
                    .push(format!("{site}: two live pools of {} in epoch {epoch}", pool.id.service));
            }
        }
    }

    /// The edge dies: what it held is cut, and when it is back it probes anew.
    pub(super) fn edge_dies(&mut self, away: Duration) {
        self.edge_away_until = Some(Instant::now() + away);
        let back = Instant::now() + away;
        self.pools_since.values_mut().for_each(|since| *since = back);
        self.streams.clear();
    }

    /// # Errors
    /// The edge is away.
    pub(super) fn edge(&self) -> Result<(), model::Explain> {
        match self.edge_away_until.is_some_and(|until| Instant::now() < until) {
            true => Err(model::Explain::new("edge-away", "the edge is not there")),
            false => Ok(()),
        }
    }

    pub(super) fn last_words(&self, site: &Site, instance: &InstanceName) -> &'static str {
        self.instances.get(&(site.clone(), instance.clone())).map_or("", Instance::last_words)
    }

    /// Answered so far: an instance is asked 20 times a second.
    pub(super) fn requests(&self, site: &Site, instance: &InstanceName) -> u64 {
        let found = self.instances.get(&(site.clone(), instance.clone()));
        found.map_or(0, |instance| instance.started.elapsed().as_millis() as u64 / 50)
    }

    /// What those hold that a pool's table no longer names.
    pub(super) fn left(&self, site: &Site, pool: &PoolId) -> Vec<(InstanceName, Open)> {
        let table = self.tables.get(site).map(|(_, table)| table);
        let Some(pool) = table.and_then(|table| table.pools.iter().find(|known| known.id == *pool)) else {
            return Vec::new();
        };
        let is_gone = |name: &InstanceName| {
            name.service == pool.id.service && !pool.upstreams.iter().any(|u| u.instance == *name)
        };
        let holds = self.held.iter().filter(|(name, until)| is_gone(name) && **until > Instant::now());
        holds.map(|(name, _)| (name.clone(), Open { streams: 1, ..Open::default() })).collect()
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

/// A table, as the trace tells it.
fn words(epoch: u64, table: &SiteTable) -> String {
    let release = table.release.map_or("nothing".to_owned(), |release| release.to_string());
    let pools: Vec<String> =
        table.pools.iter().map(|p| format!("{} {:?} ({})", p.id, p.state, p.upstreams.len())).collect();
    format!("epoch {epoch}: generation {}, release {release}; {}", table.generation, pools.join(", "))
}
