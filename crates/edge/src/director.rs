//! Carries out what the keeper orders: serves a table, drains a pool, stops. One owner, one order at a time.
//!
//! The switch, step by step: what becomes live is opened; the snapshot is swapped, so that new requests go by it; what
//! drains is closed, so that requests which looked a moment ago look again; only then is the new epoch made durable and
//! told. Who then reads a closed pool's counts sees every request that it will ever have.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use model::{ProcessId, Site, manifest::Route};
use tokio::task::JoinHandle;

use crate::{
    clock::{ms, now_ms, unix_ms},
    control::{Active, DRAIN_SHARE, SERVED_FILE, Served, ServedSite, Unwritten},
    csp,
    limit::Limit,
    matcher::Matcher,
    metrics::RouteNames,
    pool::{Config, PoolState, UpstreamState},
    probe::{self, Plan},
    route::{Canary, RouteState, Share, Snapshot},
    rules::Rules,
    shared::Shared,
    table::{Pool, PoolId, PoolState as Given, SiteTable, Table},
};

/// What plain requests still get after `drain-now`.
const DRAIN_NOW_MS: u64 = 1_000;

/// The pools, and everything about them that only the control thread touches.
#[derive(Debug)]
pub(crate) struct Director {
    pub(crate) shared: Arc<Shared>,
    inner: RefCell<Inner>,
    pub(crate) names: RefCell<RouteNames>,
    served_file: PathBuf,
    /// Orders are carried out one after the other, their durable part included.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Those of the table, and those that left it with requests still open.
    pools: HashMap<PoolId, Arc<PoolState>>,
    /// Instances that left a pool with requests still open.
    leaving: Vec<(PoolId, Arc<UpstreamState>)>,
    probers: HashMap<ProcessId, Prober>,
    served: Served,
    unwritten: Option<Unwritten>,
    /// Sites that were served before this edge began and are not in a table yet.
    awaited: HashSet<Site>,
}

/// The task that asks one upstream whether it is ready, and what it was begun with.
#[derive(Debug)]
struct Prober {
    upstream: Arc<UpstreamState>,
    plan: Plan,
    task: JoinHandle<()>,
}

/// Why an order was not carried out; nothing has changed then, but where it says so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the table is of epoch {found}, epoch {serving} is being served")]
    EpochTooLow { found: u64, serving: u64 },
    #[error("the table is of epoch {found}, not {asked}: somebody else wrote it")]
    OtherEpoch { found: u64, asked: u64 },
    #[error("the table cannot be served")]
    BadTable(#[from] crate::table::TableError),
    #[error("there is no pool {0}")]
    NoSuchPool(PoolId),
    #[error("the edge is shutting down")]
    Stopping,
    #[error("the table is being served, but {path} cannot be written")]
    NotDurable { path: PathBuf, source: std::io::Error },
}

impl Director {
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        let served_file = shared.settings.state.join(SERVED_FILE);
        // What a newer version wrote the keeper has refused before it started this edge.
        let before = Served::read(&shared.settings.state).ok().flatten();
        let awaited: HashSet<Site> =
            before.into_iter().flat_map(|served| served.sites).map(|site| site.site).collect();
        shared.sites_awaited.store(awaited.len(), SeqCst);
        Rc::new(Self {
            shared,
            inner: RefCell::new(Inner { awaited, ..Inner::default() }),
            names: RefCell::default(),
            served_file,
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Reads the table file and serves it. `asked`: the epoch that it must have.
    pub(crate) async fn load(&self, asked: Option<u64>) -> Result<Served, OrderError> {
        let _turn = self.turn.lock().await;
        if self.shared.is_stopping() {
            return Err(OrderError::Stopping);
        }
        let path = self.shared.settings.table.clone();
        let table = tokio::task::spawn_blocking(move || Table::read(&path)).await;
        let table = table.map_err(|panic| crate::table::TableError::Read {
            path: self.shared.settings.table.clone(),
            source: std::io::Error::other(panic),
        })??;
        let serving = self.shared.snapshot.load().epoch;
        if table.epoch < serving {
            return Err(OrderError::EpochTooLow { found: table.epoch, serving });
        }
        if let Some(asked) = asked.filter(|asked| *asked != table.epoch) {
            return Err(OrderError::OtherEpoch { found: table.epoch, asked });
        }
        self.apply(&table);
        let served = served(&table);
        // An order to stop may have come meanwhile: then what is served is for another edge to say.
        if self.shared.is_stopping() {
            return Err(OrderError::Stopping);
        }
        self.keep(&served).await?;
        Ok(served)
    }

    /// Writes down what is served and was not, where there is room by now.
    pub(crate) async fn keep_again(&self) {
        let _turn = self.turn.lock().await;
        let unwritten = self.inner.borrow().unwritten.clone();
        let Some(unwritten) = unwritten.filter(|_| !self.shared.is_stopping()) else { return };
        if self.keep(&unwritten.served).await.is_ok() {
            tracing::info!(epoch = unwritten.served.epoch, "what is served is written down again");
        }
    }

    /// Makes what is served durable, and takes note of how that went.
    async fn keep(&self, served: &Served) -> Result<(), OrderError> {
        let kept = write(self.shared.settings.state.clone(), served.clone()).await;
        let mut inner = self.inner.borrow_mut();
        let source = match kept {
            Ok(()) => {
                inner.unwritten = None;
                inner.served = served.clone();
                return Ok(());
            }
            Err(source) => source,
        };
        let since = inner.unwritten.as_ref().map_or_else(unix_ms, |unwritten| unwritten.since_unix_ms);
        let path = self.served_file.clone();
        inner.unwritten = Some(Unwritten {
            served: served.clone(),
            since_unix_ms: since,
            path: path.clone(),
            why: source.to_string(),
        });
        Err(OrderError::NotDurable { path, source })
    }

    fn apply(&self, table: &Table) {
        let mut inner = self.inner.borrow_mut();
        let mut pools = HashMap::new();
        let mut closing = Vec::new();
        for site in &table.sites {
            for pool in &site.pools {
                let state = inner.pool(site, pool);
                match pool.state {
                    Given::Draining => closing.push(Arc::clone(&state)),
                    open => state.set_state(open),
                }
                pools.insert(pool.id.clone(), state);
            }
        }
        let routes = self.routes(table, &pools);
        let matcher =
            Matcher::new(table.sites.iter().flat_map(|site| &site.routes).map(|entry| &entry.route));
        self.shared.snapshot.store(Arc::new(Snapshot {
            epoch: table.epoch,
            matcher,
            routes,
            pools: pools.clone(),
        }));
        // From here on new requests go by the new table; what has left it drains as its last table said.
        closing.extend(inner.pools.values().filter(|pool| !pools.contains_key(&pool.id)).cloned());
        closing.iter().for_each(|pool| pool.set_state(Given::Draining));
        self.shared.drain_epoch.fetch_add(1, SeqCst);
        for pool in closing {
            pools.entry(pool.id.clone()).or_insert(pool);
        }
        inner.pools = pools;
        inner.watch(&self.shared);
        table.sites.iter().for_each(|site| {
            inner.awaited.remove(&site.site);
        });
        self.shared.sites_awaited.store(inner.awaited.len(), SeqCst);
        self.shared.readiness.notify_waiters();
    }

    fn routes(&self, table: &Table, pools: &HashMap<PoolId, Arc<PoolState>>) -> Vec<Arc<RouteState>> {
        let mut names = self.names.borrow_mut();
        let mut routes = Vec::new();
        for site in &table.sites {
            let name: Arc<str> = site.site.to_string().into();
            let maintenance: Option<Arc<str>> = site.maintenance.as_deref().map(Arc::from);
            let notice = site.notice.clone().map(Arc::new);
            for entry in &site.routes {
                // `Table::check` holds that the pool is there.
                let Some(pool) = pools.get(&entry.pool) else { continue };
                let host = entry.route.hosts.first().map_or("*", String::as_str);
                routes.push(Arc::new(RouteState {
                    metric: names.number(&format!("{host}{}", entry.route.path_prefix)),
                    route: entry.route.clone(),
                    site: Arc::clone(&name),
                    pool: Arc::clone(pool),
                    canary: entry.canary.as_ref().and_then(|canary| {
                        let share = Share::new(&canary.pool, canary.weight);
                        Some(Canary { pool: Arc::clone(pools.get(&canary.pool)?), share })
                    }),
                    maintenance: maintenance.clone(),
                    notice: notice.clone(),
                    rules: Rules::of(&entry.route),
                    limits: self.limits(&name, &entry.route),
                }));
            }
        }
        routes
    }

    /// The manifest's, and that of what browsers report.
    fn limits(&self, site: &Arc<str>, route: &Route) -> Vec<Limit> {
        let of_reports = route.headers.csp_reports.as_deref().and_then(csp::limit);
        let all = route.rate_limits.iter().chain(&of_reports);
        all.map(|limit| self.shared.limits.limit(site, limit)).collect()
    }

    /// Ends what a draining pool still holds.
    pub(crate) async fn drain_now(&self, id: &PoolId) -> Result<Active, OrderError> {
        let _turn = self.turn.lock().await;
        let inner = self.inner.borrow();
        // One that shuts down drains whatever it has.
        let drains = |pool: &&Arc<PoolState>| pool.state() == Given::Draining || self.shared.is_stopping();
        let pool = inner.pools.get(id).filter(drains);
        let pool = pool.ok_or_else(|| OrderError::NoSuchPool(id.clone()))?;
        let open = pool.active.read();
        pool.drain.cap([DRAIN_NOW_MS, 0, 0]);
        self.shared.drain_epoch.fetch_add(1, SeqCst);
        Ok(open)
    }

    /// Begins the end: everything drains by its class, and in [`DRAIN_SHARE`] of `within` at most.
    pub(crate) fn stop(&self, within: Duration) -> Active {
        let inner = self.inner.borrow();
        let left = ms(within.mul_f64(DRAIN_SHARE));
        let mut open = Active::default();
        for pool in inner.pools.values() {
            let active = pool.active.read();
            open.http += active.http;
            open.stream += active.stream;
            open.websocket += active.websocket;
            pool.drain.begin(&pool.config.load().drain);
            pool.drain.cap([left; 3]);
        }
        self.shared.stop(ms(within));
        open
    }

    /// The clock's look: pools keep readings of their figures, so that what is recent can be told.
    pub(crate) fn turn(&self) {
        let now = now_ms();
        self.inner.borrow().pools.values().for_each(|pool| pool.traffic.turn(now));
    }

    /// Forgets what has ended, and looks at the rest.
    pub(crate) fn look<T>(
        &self,
        see: impl FnOnce(
            (&Served, Option<&Unwritten>),
            &HashMap<PoolId, Arc<PoolState>>,
            &[(PoolId, Arc<UpstreamState>)],
        ) -> T,
    ) -> T {
        let mut inner = self.inner.borrow_mut();
        let snapshot = self.shared.snapshot.load();
        let known = inner.pools.len();
        inner.pools.retain(|id, pool| snapshot.pools.contains_key(id) || !pool.is_drained());
        if inner.pools.len() != known {
            inner.watch(&self.shared);
        }
        inner.leaving.retain(|(_, upstream)| upstream.is_gone() && upstream.active.total() > 0);
        see((&inner.served, inner.unwritten.as_ref()), &inner.pools, &inner.leaving)
    }
}

impl Inner {
    /// The state of a pool of the table: the one that is there, told what is new, or a new one.
    fn pool(&mut self, site: &SiteTable, pool: &Pool) -> Arc<PoolState> {
        let known = self.pools.get(&pool.id).cloned();
        let before = known.as_ref().map(|known| known.config.load_full());
        let upstreams = pool.upstreams.iter().map(|given| self.upstream(before.as_deref(), given)).collect();
        let config = Config {
            upstreams,
            readiness: pool.readiness.clone(),
            probe_host: pool.probe_host.clone(),
            drain: pool.drain.clone(),
            balance: pool.balance,
        };
        let stays: HashSet<ProcessId> = config.upstreams.iter().map(|upstream| upstream.process).collect();
        let state = match known {
            None => Arc::new(PoolState::new(&site.site, pool, config)),
            Some(known) => {
                known.config.store(Arc::new(config));
                known
            }
        };
        for gone in before.iter().flat_map(|before| &before.upstreams) {
            if !stays.contains(&gone.process) {
                gone.leave(&pool.drain);
                self.leaving.push((pool.id.clone(), Arc::clone(gone)));
            }
        }
        state
    }

    fn upstream(&self, before: Option<&Config>, given: &crate::table::Upstream) -> Arc<UpstreamState> {
        let is_it =
            |known: &&Arc<UpstreamState>| known.process == given.process && known.address == given.address;
        let known = before.and_then(|before| before.upstreams.iter().find(is_it));
        let known = known.or_else(|| self.leaving.iter().map(|(_, upstream)| upstream).find(is_it)).cloned();
        // It may come from another pool: what was scaled up joins those that serve, and is as ready as it was on trial.
        let known = known.or_else(|| {
            let configs = self.pools.values().map(|pool| pool.config.load());
            configs.into_iter().find_map(|config| config.upstreams.iter().find(is_it).cloned())
        });
        match known {
            Some(known) => {
                known.come_back();
                known
            }
            None => Arc::new(UpstreamState::new(given)),
        }
    }

    /// Starts and ends probing so that every upstream of the table is probed as its pool says.
    fn watch(&mut self, shared: &Arc<Shared>) {
        let mut wanted = HashMap::new();
        for pool in self.pools.values() {
            let config = pool.config.load();
            let plan = Plan::new(config.readiness.as_ref(), config.probe_host.as_deref());
            for upstream in &config.upstreams {
                wanted.insert(upstream.process, (Arc::clone(upstream), plan.clone()));
            }
        }
        self.probers.retain(|process, prober| {
            let stays = wanted.get(process).is_some_and(|(upstream, plan)| {
                prober.plan == *plan && Arc::ptr_eq(&prober.upstream, upstream) && !prober.task.is_finished()
            });
            if !stays {
                prober.task.abort();
            }
            stays
        });
        for (process, (upstream, plan)) in wanted {
            self.probers.entry(process).or_insert_with(|| Prober {
                task: tokio::task::spawn_local(probe::watch(
                    Arc::clone(&upstream),
                    plan.clone(),
                    Arc::clone(shared),
                )),
                upstream,
                plan,
            });
        }
    }
}

/// An edge that follows another mostly finds that the file says the same already, and then needs no room.
///
/// Crash: before the rename `served.json` names the table before this one, which the next edge then replaces by reading
/// the same table file; after it, this one.
async fn write(state: PathBuf, served: Served) -> std::io::Result<()> {
    let written = tokio::task::spawn_blocking(move || {
        let text = serde_json::to_vec_pretty(&served)?;
        // Asked before: what a write that failed has left there may not be durable.
        let is_there = Served::read(&state).is_ok_and(|there| there.as_ref() == Some(&served));
        let written = machine::fs::write_atomic(&state.join(SERVED_FILE), &text, 0o640);
        written.or_else(|error| if is_there { Ok(()) } else { Err(error) })
    });
    written.await.map_err(std::io::Error::other).flatten()
}

/// Where each site's routes lead.
fn served(table: &Table) -> Served {
    let site = |site: &SiteTable| ServedSite {
        site: site.site.clone(),
        generation: site.generation,
        release: site.release,
        maintenance: site.maintenance.is_some() || site.notice.is_some(),
    };
    Served::new(table.epoch, table.sites.iter().map(site).collect())
}

/// Requests that were answered, by all workers.
pub(crate) fn requests_total(shared: &Shared) -> u64 {
    shared.shards.iter().map(crate::metrics::Shard::requests).sum()
}

/// Lines that the access log could not take.
pub(crate) fn log_dropped(shared: &Shared) -> u64 {
    shared.log.dropped.load(Relaxed)
}
