//! The deploy machine's world: the supervisor's processes and the edge's pools, as `release` asks for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use model::{
    Address, Explain, InstanceName, ProcessId, Site,
    manifest::{DrainHint, Route, RouteTls},
};
use net::client::{Call, Target};
use release::{
    World,
    world::{
        Disk, InEffect, JobEnd, JobOrder, Observed, PoolId, PoolStatus, Served, SiteTable, SmokeAnswer,
        SmokeOrder, StartOrder, StopOrder,
    },
};
use supervisor::{Slot, SlotState, StopPlan, logs, order::signal_number, slot::SlotSettings};
use tokio::sync::watch;

use super::{
    data_plane::Leaving,
    edge_words,
    ground::Ground,
    instances::{Care, Instances, never_spawned},
    job_words,
    jobs::Jobs,
    listener, obstacle,
    oneoff::OneOffs,
    orders,
    past::Kept,
    secrets,
    smoke::Smoker,
    tables::Tables,
};

/// Bound: from the order to a process, before the caller is told that it hangs.
const SPAWN_LIMIT: Duration = Duration::from_secs(30);
const HINT_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct Outside {
    pub ground: Arc<Ground>,
    pub instances: Instances,
    pub jobs: Jobs,
    pub oneoffs: OneOffs,
    pub tables: Tables,
    pub edge: edge::control::Client,
    /// Edges that served before it and still hold something.
    pub leaving: Leaving,
    pub smoker: Smoker,
    /// Where people reach the edge, by scheme.
    pub doors: Doors,
}

/// The edge's addresses, as a person types them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doors {
    pub http: Option<u16>,
    pub https: Option<u16>,
}

impl World for Outside {
    async fn observed(&self, site: &Site) -> Result<Vec<Observed>, Explain> {
        Ok(self.instances.observed(site))
    }

    fn changes(&self, site: &Site) -> watch::Receiver<u64> {
        self.instances.changes(site)
    }

    async fn start_instance(&self, order: StartOrder) -> Result<(), Explain> {
        if self.instances.slot(&order.site, &order.name).is_some() {
            return Ok(());
        }
        let settings = orders::slot(&self.ground, &order).await?;
        // Whatever an instance of this name was before: this one begins.
        self.past(&order).forget();
        let slot = self.hold(&order, settings);
        let mut state = slot.state();
        let spawned = state.wait_for(|state| !matches!(state, SlotState::Starting { process: None, .. }));
        let refused = match tokio::time::timeout(SPAWN_LIMIT, spawned).await {
            Ok(Ok(state)) => never_spawned(&state).map(str::to_owned),
            Ok(Err(_)) => Some("its task ended".to_owned()),
            Err(_) => Some(format!("no process within {} s", SPAWN_LIMIT.as_secs())),
        };
        let Some(why) = refused else { return Ok(()) };
        let at_once = StopPlan { signal: 9, grace: Duration::ZERO };
        self.instances.stop(&order.site, &order.name, Some(at_once)).await?;
        Err(obstacle::of_instance(&self.ground, &order, why))
    }

    async fn keep_instance(&self, order: StartOrder) -> Result<(), Explain> {
        if self.instances.slot(&order.site, &order.name).is_some() {
            return Ok(());
        }
        let settings = orders::kept_slot(&self.ground, &order)?;
        self.hold(&order, settings);
        Ok(())
    }

    async fn stop_instance(&self, order: StopOrder) -> Result<(), Explain> {
        let plan = StopPlan { signal: signal_number(order.signal), grace: order.grace };
        self.instances.stop(&order.site, &order.name, Some(plan)).await
    }

    async fn hint(&self, site: &Site, instance: &InstanceName, hint: &DrainHint) -> Result<(), Explain> {
        let process = self.instances.slot(site, instance).and_then(|slot| slot.process());
        let Some(process) = process else { return Ok(()) };
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Explain::new("hint-not-given", format!("{instance} could not be told that it drains"))
                .because(error)
                .now("it drains all the same, by its time limits")
                .help("`drain.hint` in its manifest says how it is told")
        };
        match hint {
            DrainHint::None => Ok(()),
            DrainHint::Signal(signal) => process.signal(signal_number(*signal)).await.map_err(|e| failed(&e)),
            DrainHint::Http(path) => {
                let target = match process.address() {
                    Some(Address::Tcp(address)) => Target::Tcp(*address),
                    Some(Address::Unix(path)) => Target::Unix(path.clone()),
                    None => return Ok(()),
                };
                let call = Call::new("POST", path).total(HINT_LIMIT);
                net::client::send(&target, call).await.map(drop).map_err(|e| failed(&e))
            }
        }
    }

    async fn tail_log(&self, site: &Site, instance: &InstanceName, lines: usize) -> Vec<String> {
        let folder = logs::folder(&self.ground.folders.data, site);
        let query = logs::Query { instance: Some(instance.clone()), tail: lines, ..logs::Query::default() };
        let read = tokio::task::spawn_blocking(move || logs::read(&folder, &query)).await;
        let lines = read.ok().and_then(Result::ok).unwrap_or_default();
        lines.into_iter().map(|line| line.text).collect()
    }

    async fn listener(&self, port: u16) -> Option<String> {
        tokio::task::spawn_blocking(move || listener::told(port)).await.ok().flatten()
    }

    async fn start_job(&self, order: JobOrder) -> Result<(), Explain> {
        self.jobs.start(&self.ground, &order).await
    }

    async fn adopt_job(&self, _site: &Site, process: ProcessId) -> Result<Option<JobEnd>, Explain> {
        Ok(self.jobs.end(process).await)
    }

    async fn stop_job(&self, _site: &Site, process: ProcessId) -> Result<(), Explain> {
        self.jobs.stop(process).await
    }

    async fn forget_job(&self, _site: &Site, process: ProcessId) {
        self.jobs.forget(&self.ground.supervisor, process).await;
    }

    fn jobs(&self, site: &Site) -> Vec<api::status::Job> {
        let mut jobs: Vec<_> = self.jobs.running().into_iter().chain(self.oneoffs.running()).collect();
        jobs.retain(|process| process.spec().site.as_ref() == Some(site));
        jobs.sort_by_key(|process| (process.started_unix_ms(), process.id()));
        jobs.iter().map(job_words::told).collect()
    }

    async fn publish(&self, site: &Site, table: SiteTable) -> Result<Served, Explain> {
        self.tables.publish(site, &table).await
    }

    async fn served(&self, site: &Site) -> Result<Option<Served>, Explain> {
        Ok(self.tables.served(site).await)
    }

    async fn in_effect(&self, site: &Site) -> Result<InEffect, Explain> {
        Ok(self.tables.in_effect(site).await)
    }

    async fn pools(&self, site: &Site) -> Result<Vec<PoolStatus>, Explain> {
        let status = self.edge.status().await.map_err(|error| {
            Explain::new("edge-silent", "the edge does not say what it sees")
                .because(&error)
                .help("it is restarted by itself; `mainstay status --machine` says how it is")
        })?;
        Ok(edge_words::pools(site, &status, &self.leaving.pools().await))
    }

    async fn smoke(&self, order: SmokeOrder) -> Result<SmokeAnswer, Explain> {
        self.smoker.smoke(&order).await
    }

    async fn drain_now(&self, site: &Site, pool: &PoolId) -> Result<(), Explain> {
        let pool = edge_words::pool_id(site, pool);
        let (asked, ()) = tokio::join!(self.edge.drain_now(&pool), self.leaving.drain_now(&pool));
        match asked {
            Ok(_) => Ok(()),
            Err(edge::control::CallError::Refused { problem, .. }) if problem.code == "no-such-pool" => {
                Ok(())
            }
            Err(error) => Err(Explain::new("edge-silent", "the edge did not take the order to drain")
                .because(&error)
                .now("what drains goes on until its own time limits")
                .help("it is restarted by itself; `mainstay status --machine` says how it is")),
        }
    }

    async fn secret_digests(
        &self,
        site: &Site,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, Explain> {
        let values = secrets::resolve(&self.ground, site, names, None).await?;
        Ok(secrets::digests(&self.ground.salt, &values))
    }

    async fn keep_secrets(
        &self,
        site: &Site,
        names: &BTreeSet<String>,
        file: &Path,
    ) -> Result<BTreeMap<String, String>, Explain> {
        let values = secrets::resolve(&self.ground, site, names, None).await?;
        secrets::kept::keep(&self.ground.folders, &values, file)?;
        Ok(secrets::digests(&self.ground.salt, &values))
    }

    fn kept_digests(
        &self,
        file: &Path,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, Explain> {
        let values = secrets::kept::values(&self.ground.folders, file, &names.iter().collect())?;
        Ok(secrets::digests(&self.ground.salt, &values))
    }

    fn disk(&self, path: &Path) -> Result<Disk, Explain> {
        let room = machine::fs::disk_space(path).map_err(|error| {
            Explain::new("disk-unknown", format!("cannot ask for the room on the disk of {}", path.display()))
                .because(&error)
                .help("is its file system mounted, and well? `df` and the kernel's log say more")
        })?;
        Ok(Disk { free_bytes: room.bytes_free, free_inodes: room.inodes_free })
    }

    fn memory_available(&self) -> Result<u64, Explain> {
        machine::proc::available_bytes().map_err(|error| {
            Explain::new("memory-unknown", "cannot ask for the machine's free memory")
                .because(&error)
                .help("Mainstay reads /proc/meminfo: is /proc mounted here?")
        })
    }

    fn urls(&self, routes: &[Route]) -> Vec<String> {
        self.doors.urls(routes)
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn host(&self) -> String {
        self.ground.host.clone()
    }
}

impl Outside {
    fn past(&self, order: &StartOrder) -> Kept {
        Kept::of_instance(&self.ground.folders.run, &order.site, &order.name)
    }

    /// Takes care of an instance that has no process yet.
    fn hold(&self, order: &StartOrder, settings: SlotSettings) -> Arc<Slot> {
        let public = orders::public_bind(&order.manifest, &order.name);
        let care = Care { settings, public, past: self.past(order), adopted: None };
        self.instances.hold(&self.ground.supervisor, &order.site, &order.name, care)
    }
}

impl Doors {
    /// One URL per host and prefix, each once, by the scheme that answers it.
    pub(crate) fn urls(&self, routes: &[Route]) -> Vec<String> {
        let mut urls = Vec::new();
        for route in routes {
            let any = ["localhost".to_owned()];
            let hosts = if route.hosts.is_empty() { &any[..] } else { &route.hosts[..] };
            for host in hosts {
                let Some(origin) = self.origin(route.tls, host) else { continue };
                let url = format!("{origin}{}", route.path_prefix);
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
        urls
    }

    fn origin(&self, tls: RouteTls, host: &str) -> Option<String> {
        let http = self.http.map(|port| with_port("http", host, port, 80));
        let https = self.https.map(|port| with_port("https", host, port, 443));
        match tls {
            RouteTls::Required => https.or(http),
            RouteTls::Optional | RouteTls::Off => http.or(https),
        }
    }
}

fn with_port(scheme: &str, host: &str, port: u16, usual: u16) -> String {
    if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") }
}
