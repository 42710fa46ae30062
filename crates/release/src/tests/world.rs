//! One keeper's view of the machine. A killed keeper's calls never return and change nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::{
    Explain, InstanceName, ProcessId, Site,
    manifest::{DrainHint, Route},
};
use tokio::{sync::watch, time::sleep};

use super::{
    instance::Behaviour,
    machine::{Job, Machine},
};
use crate::world::{
    Disk, InEffect, JobEnd, JobKind, JobOrder, Observed, PoolId, PoolState, PoolStatus, Served, SiteTable,
    SmokeAnswer, SmokeOrder, StartOrder, StopOrder, UpstreamStatus, World,
};

pub(super) struct SimWorld {
    pub machine: Machine,
    pub dead: Arc<AtomicBool>,
    /// What the clock showed when it was last looked at.
    pub shown: std::sync::Mutex<Option<jiff::Timestamp>>,
}

impl SimWorld {
    /// A little time passes in every call; a dead keeper gets no answer.
    async fn call(&self) {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        sleep(Duration::from_millis(1)).await;
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn changed(&self) {
        self.machine.changes.send_modify(|n| *n += 1);
    }
}

impl World for SimWorld {
    async fn observed(&self, site: &Site) -> Result<Vec<Observed>, Explain> {
        self.call().await;
        Ok(self.machine.lock().observe(site))
    }

    fn changes(&self, _: &Site) -> watch::Receiver<u64> {
        self.machine.changes.subscribe()
    }

    async fn start_instance(&self, order: StartOrder) -> Result<(), Explain> {
        self.call().await;
        self.machine.lock().start(&order)?;
        self.changed();
        Ok(())
    }

    async fn keep_instance(&self, order: StartOrder) -> Result<(), Explain> {
        self.start_instance(order).await
    }

    async fn stop_instance(&self, order: StopOrder) -> Result<(), Explain> {
        self.call().await;
        let stops_take = self.machine.lock().stops_take;
        sleep(stops_take).await;
        self.call().await;
        self.machine.lock().stop(&order.site, &order.name);
        self.changed();
        Ok(())
    }

    async fn hint(&self, _: &Site, instance: &InstanceName, _: &DrainHint) -> Result<(), Explain> {
        self.call().await;
        self.machine.lock().hints.push(instance.clone());
        Ok(())
    }

    async fn tail_log(&self, site: &Site, instance: &InstanceName, lines: usize) -> Vec<String> {
        self.call().await;
        let last_words = self.machine.lock().last_words(site, instance);
        let usual = (0..lines.min(3)).map(|n| format!("line {n} of {instance}"));
        usual.chain([last_words.to_owned()]).collect()
    }

    async fn listener(&self, port: u16) -> Option<String> {
        self.call().await;
        (port == 3000).then(|| "nginx (pid 7)".to_owned())
    }

    async fn start_job(&self, order: JobOrder) -> Result<(), Explain> {
        let begins_after = self.machine.lock().job_begins_after;
        sleep(begins_after).await;
        self.call().await;
        self.machine.lock().begin_job(&order)?;
        let machine = self.machine.clone();
        // A job lives on when its keeper dies.
        tokio::spawn(async move { work(machine, order).await });
        let told_after = self.machine.lock().job_told_after;
        sleep(told_after).await;
        self.call().await;
        Ok(())
    }

    async fn adopt_job(&self, _: &Site, process: ProcessId) -> Result<Option<JobEnd>, Explain> {
        self.call().await;
        Ok(self.adopt(process).await)
    }

    async fn stop_job(&self, _: &Site, process: ProcessId) -> Result<(), Explain> {
        self.call().await;
        let ended = JobEnd { signal: Some(15), ..JobEnd::default() };
        if let Some(job @ Job::Running) = self.machine.lock().jobs.get_mut(&process) {
            *job = Job::Ended(ended);
        }
        Ok(())
    }

    async fn forget_job(&self, _: &Site, process: ProcessId) {
        self.call().await;
        let jobs = &mut self.machine.lock().jobs;
        if matches!(jobs.get(&process), Some(Job::Ended(_))) {
            jobs.remove(&process);
        }
    }

    fn jobs(&self, _: &Site) -> Vec<api::status::Job> {
        Vec::new()
    }

    async fn publish(&self, site: &Site, table: SiteTable) -> Result<Served, Explain> {
        self.call().await;
        let late = {
            let mut inner = self.machine.lock();
            inner.edge()?;
            if inner.refuse_tables > 0 {
                inner.refuse_tables -= 1;
                return Err(Explain::new("edge-away", "the edge is not there"));
            }
            let switch = inner.is_switch(site, &table);
            let epoch = inner.next_epoch();
            let late = if switch { inner.late_switch.take() } else { None };
            late.map(|late| (epoch, late)).ok_or(epoch)
        };
        let served = match late {
            Err(epoch) => self.take_table(site, epoch, table)?,
            Ok((epoch, late)) => {
                let (machine, site) = (self.machine.clone(), site.clone());
                // It is on its way, whatever becomes of its keeper.
                let arrived = tokio::spawn(async move {
                    sleep(late).await;
                    machine.lock().take_table(&site, epoch, table)
                });
                arrived.await.map_err(|error| Explain::new("edge-away", error.to_string()))?
            }
        };
        self.changed();
        self.call().await;
        self.machine.lock().told.insert(served.epoch);
        Ok(served)
    }

    async fn served(&self, site: &Site) -> Result<Option<Served>, Explain> {
        self.call().await;
        let mut inner = self.machine.lock();
        let epoch = inner.tables.get(site).map(|(epoch, _)| *epoch);
        inner.told.extend(epoch);
        let table = inner.tables.get(site);
        Ok(table.map(|(epoch, t)| Served { epoch: *epoch, generation: t.generation, release: t.release }))
    }

    async fn in_effect(&self, site: &Site) -> Result<InEffect, Explain> {
        Ok(InEffect { served: self.served(site).await?, unwritten: None })
    }

    async fn pools(&self, site: &Site) -> Result<Vec<PoolStatus>, Explain> {
        self.call().await;
        let mut inner = self.machine.lock();
        inner.edge()?;
        if inner.silent_pools > 0 {
            inner.silent_pools -= 1;
            return Err(Explain::new("edge-away", "the edge is not there"));
        }
        let Some((_, table)) = inner.tables.get(site) else { return Ok(Vec::new()) };
        let pools = table.pools.iter().map(|pool| {
            let upstreams = pool.upstreams.iter().map(|u| UpstreamStatus {
                instance: u.instance.clone(),
                ready: inner.ready(site, &pool.id, &u.instance),
                failures: inner.failures(site, &pool.id, &u.instance),
                last_probe: inner.instances.get(&(site.clone(), u.instance.clone())).map(|i| i.probe()),
                requests: inner.requests(site, &u.instance),
            });
            let streams =
                inner.streams.get(&pool.id).is_some_and(|until| *until > tokio::time::Instant::now());
            PoolStatus {
                id: pool.id.clone(),
                upstreams: upstreams.collect(),
                open: api::status::Open { streams: u64::from(streams), ..Default::default() },
                requests: 0,
                left: inner.left(site, &pool.id),
                traffic: inner.traffic(site, &pool.id),
                recent: inner.traffic(site, &pool.id),
                foreign: inner.foreign,
            }
        });
        Ok(pools.collect())
    }

    async fn smoke(&self, order: SmokeOrder) -> Result<SmokeAnswer, Explain> {
        self.call().await;
        let mut inner = self.machine.lock();
        inner.smokes += 1;
        inner.edge()?;
        let table = inner.tables.get(&order.site).map(|(_, table)| table);
        let pool =
            table.and_then(|t| t.pools.iter().find(|p| p.id == order.pool && p.state != PoolState::Draining));
        let upstream =
            pool.and_then(|p| p.upstreams.first()).ok_or_else(|| Explain::new("no-pool", "no such pool"))?;
        let instance = inner.instances.get(&(order.site.clone(), upstream.instance.clone()));
        let away = || Explain::new("no-answer", "connection refused");
        let instance = instance.filter(|instance| instance.is_up()).ok_or_else(away)?;
        let status = if instance.behaviour == Behaviour::Answers500 { 500 } else { 200 };
        let release = upstream.instance.release;
        Ok(SmokeAnswer {
            status,
            body: format!("{{\"release\":\"{release}\"}}").into_bytes(),
            instance: Some(upstream.instance.clone()),
            ..SmokeAnswer::default()
        })
    }

    async fn drain_now(&self, _: &Site, pool: &PoolId) -> Result<(), Explain> {
        self.call().await;
        self.machine.lock().edge()?;
        self.machine.lock().streams.remove(pool);
        Ok(())
    }

    async fn secret_digests(
        &self,
        _: &Site,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, Explain> {
        self.call().await;
        let inner = self.machine.lock();
        match names.iter().find(|name| inner.missing_secrets.contains(*name)) {
            Some(name) => Err(Explain::new("secret-missing", format!("the secret {name} does not resolve"))),
            None => {
                let version = inner.secrets_version;
                let digest = |name: &String| (name.clone(), format!("digest of {name}, version {version}"));
                Ok(names.iter().map(digest).collect())
            }
        }
    }

    async fn keep_secrets(
        &self,
        site: &Site,
        names: &BTreeSet<String>,
        file: &Path,
    ) -> Result<BTreeMap<String, String>, Explain> {
        let digests = self.secret_digests(site, names).await?;
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, serde_json::to_vec(&digests).unwrap()).unwrap();
        Ok(digests)
    }

    fn kept_digests(
        &self,
        file: &Path,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, Explain> {
        let read = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let kept: BTreeMap<String, String> = read.unwrap_or_default();
        match names.iter().find(|name| !kept.contains_key(*name)) {
            Some(name) => Err(Explain::new("secrets-not-kept", format!("no value of {name}"))),
            None => Ok(kept),
        }
    }

    fn disk(&self, _: &Path) -> Result<Disk, Explain> {
        Ok(self.machine.lock().disk.unwrap_or(Disk { free_bytes: 1 << 40, free_inodes: 1 << 20 }))
    }

    fn memory_available(&self) -> Result<u64, Explain> {
        Ok(self.machine.lock().memory_available.unwrap_or(1 << 40))
    }

    fn urls(&self, routes: &[Route]) -> Vec<String> {
        routes.iter().flat_map(|r| &r.hosts).map(|host| format!("http://{host}/")).collect()
    }

    fn now(&self) -> jiff::Timestamp {
        let mut shown = self.shown.lock().unwrap();
        // For a dead keeper no time passes.
        if shown.is_none() || !self.dead.load(Ordering::SeqCst) {
            *shown = Some(self.machine.lock().now());
        }
        shown.unwrap()
    }

    fn host(&self) -> String {
        "sim".into()
    }
}

impl SimWorld {
    fn take_table(&self, site: &Site, epoch: u64, table: SiteTable) -> Result<Served, Explain> {
        let mut inner = self.machine.lock();
        if inner.die_at_switch && inner.is_switch(site, &table) {
            inner.die_at_switch = false;
            self.dead.store(true, Ordering::SeqCst);
        }
        let served = inner.take_table(site, epoch, table);
        if inner.lose_answers > 0 {
            inner.lose_answers -= 1;
            return Err(Explain::new("edge-away", "the edge's answer was lost"));
        }
        Ok(served)
    }

    async fn adopt(&self, process: ProcessId) -> Option<JobEnd> {
        loop {
            let job = self.machine.lock().jobs.get(&process).cloned();
            match job {
                None => return None,
                Some(Job::Ended(end)) => return Some(end),
                Some(Job::Running) => sleep(Duration::from_millis(20)).await,
            }
            self.call().await;
        }
    }
}

/// What the job's process does.
async fn work(machine: Machine, order: JobOrder) {
    let end = match order.kind {
        JobKind::Unpack => {
            sleep(Duration::from_millis(300)).await;
            unpack(&order)
        }
        JobKind::SchemaStatus => {
            sleep(Duration::from_millis(50)).await;
            let inner = machine.lock();
            let version = inner.databases.get(&order.site).copied().unwrap_or(1);
            let begun = inner.half_done.get(&order.site).map(|_| "mainstay: half-done 2_b.sql".to_owned());
            let first = begun.unwrap_or_else(|| "schema:".to_owned());
            // `leads:N` says where the steps of its release lead to, `mute` nothing.
            let leads = order.argv[0].strip_prefix("leads:").map(|to| format!("mainstay: leads to {to}"));
            let code = Some(i32::from(order.argv[0] == "mute"));
            let stdout = [first].into_iter().chain(leads).chain([version.to_string()]).collect();
            JobEnd { code, stdout, ..JobEnd::default() }
        }
        // `takes:N` goes on for so many seconds, `fails` ends at once.
        JobKind::Build
        | JobKind::Scheduled
        | JobKind::PreDeploy
        | JobKind::PostDeploy
        | JobKind::OnRollback => {
            let (word, seconds) = order.argv[0].split_once(':').unwrap_or((&order.argv[0], "0"));
            sleep(Duration::from_secs(seconds.parse().unwrap())).await;
            let stderr = vec![format!("the job {word}")];
            JobEnd { code: Some(i32::from(word != "takes")), stderr, ..JobEnd::default() }
        }
        JobKind::Migrate | JobKind::MigrateDown | JobKind::MigrateContract => {
            let time = machine.lock().migration_time;
            sleep(time).await;
            migrate(&machine, &order)
        }
    };
    let mut inner = machine.lock();
    if matches!(inner.jobs.get(&order.process), Some(Job::Running)) {
        inner.jobs.insert(order.process, Job::Ended(end));
    }
}

/// `to:N` moves the database, `fail` does not, `half:N` moves it and fails, `begun` fails within a step.
fn migrate(machine: &Machine, order: &JobOrder) -> JobEnd {
    let mut inner = machine.lock();
    inner.migrations_run += 1;
    let (word, to) = order.argv[0].split_once(':').unwrap_or((&order.argv[0], "0"));
    if word == "begun" {
        inner.half_done.insert(order.site.clone());
    } else if word != "fail" {
        inner.half_done.remove(&order.site);
        inner.databases.insert(order.site.clone(), to.parse().unwrap());
    }
    let stderr = vec![format!("migration said {word}")];
    JobEnd { code: Some(i32::from(word != "to")), stderr, ..JobEnd::default() }
}

fn unpack(order: &JobOrder) -> JobEnd {
    let words = order.argv[1..].iter().map(Into::into);
    let arguments = crate::unpack::Arguments::parse(words).expect("the arguments of the job");
    let archive = File::open(order.stdin.as_ref().expect("an archive")).expect("the artifact");
    match crate::unpack::unpack(&arguments, archive) {
        Ok(_) => JobEnd { code: Some(0), ..JobEnd::default() },
        Err(error) => {
            let line = serde_json::to_string(&error.explain()).expect("an error as JSON");
            JobEnd { code: Some(1), stdout: vec![line], ..JobEnd::default() }
        }
    }
}
