//! A machine with a keeper on it, and the words that the tests are written in.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use api::{
    artifact::Artifact,
    deploy::{Event, EventKind, Outcome, Phase, Rollback, Started},
};
use model::{
    ByteSize, Explain, ReleaseNumber, Site, Span,
    manifest::{
        Deploy, Drain, Limits, Listen, Logs, Manifest, Migrate, ProbeRequest, Probes, ReadinessProbe,
        Release, Restart, Route, RouteTls, Service, Smoke, Source, StopSignal,
    },
    schema::CodeSchema,
};
use sha2::{Digest, Sha256};

use super::{failpoint, machine::Machine, world::SimWorld};
use crate::{Caller, Refused, Settings, SiteHandle, Sites, Wanted, What};

/// Where tests write: memory where there is some, so that fsyncs cost nothing.
fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

pub(super) struct Rig {
    pub machine: Machine,
    pub data: tempfile::TempDir,
    pub sites: Sites,
    dead: Arc<AtomicBool>,
    tick: Duration,
}

pub(super) fn site(name: &str) -> Site {
    name.parse().unwrap()
}

pub(super) fn caller() -> Caller {
    Caller { operator: "anna".into(), host: "desk".into(), key: None }
}

/// `web` (routed, two instances) and `worker`, both behaving as said.
pub(super) fn manifest(site: &Site, behaviour: &str) -> Manifest {
    let service = |listen, readiness| Service {
        command: vec![behaviour.into()],
        files: None,
        instances: 2.try_into().unwrap(),
        overlap: Default::default(),
        start_at: Default::default(),
        listen,
        env: Default::default(),
        env_secrets: Vec::new(),
        stop_signal: StopSignal::Term,
        stop_timeout: Span::secs(30),
        limits: Limits::default(),
        sandbox: model::Sandbox::default(),
        restart: Restart::default(),
        probes: Probes { startup: None, readiness, liveness: None },
        allow_public_bind: false,
        recycle: None,
    };
    let readiness = ReadinessProbe {
        request: ProbeRequest {
            http: "/ready".into(),
            host: None,
            period: Span::secs(1),
            timeout: Span::secs(5),
        },
        success_threshold: 3,
        failure_threshold: 3,
    };
    let route = Route {
        hosts: vec![format!("{}.{}.test", site.env, site.app)],
        tls: RouteTls::Off,
        ..Route::to("web".parse().unwrap())
    };
    let mut worker = service(None, None);
    worker.instances = 1.try_into().unwrap();
    let is_of_web = ["unready", "crashes", "errs", "lags", "leaks", "loops"]
        .iter()
        .any(|word| behaviour.starts_with(word));
    if is_of_web || behaviour == "500" {
        worker.command = vec!["good".into()];
    }
    Manifest {
        format: model::manifest::FORMAT,
        app: site.app.clone(),
        env: site.env.clone(),
        release: Release {
            source: Source::Dir(".".into()),
            digest: None,
            shared_paths: vec!["data".into()],
            proof: None,
            keep_releases: 2,
            keep_bytes: ByteSize::gib(1),
            asset_paths: Vec::new(),
            asset_retention: model::manifest::asset_retention(),
            build: None,
        },
        sandbox: model::Sandbox::default(),
        services: [
            ("web".parse().unwrap(), service(Some(Listen::Tcp), Some(readiness))),
            ("worker".parse().unwrap(), worker),
        ]
        .into(),
        cron: Default::default(),
        routes: vec![route],
        deploy: Deploy {
            health_timeout: Span::secs(30),
            min_healthy_time: Span::secs(2),
            bake_time: Span::secs(20),
            max_generations: 4,
            ..Deploy::default()
        },
        drain: Drain::default(),
        migrate: None,
        hooks: Default::default(),
        logs: Logs::default(),
    }
}

/// A migration to `schema` by `command`, with a way down to 1.
pub(super) fn migration(schema: u64, command: &str, compatible_with: Option<u64>) -> Migrate {
    Migrate {
        tool: Default::default(),
        command: vec![command.into()],
        status_command: vec!["status".into()],
        down_command: Some(vec!["to:1".into()]),
        contract_command: None,
        timeout: Span::secs(600),
        code: CodeSchema { schema, schema_min: 1 },
        compatible_with,
        env: Default::default(),
        env_secrets: Vec::new(),
    }
}

pub(super) fn with_smoke(mut manifest: Manifest) -> Manifest {
    let get = "/".to_owned();
    manifest.deploy.smoke =
        vec![Smoke { get, host: None, status: 200, contains: None, first_event_within: None }];
    manifest
}

fn tarball(text: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    builder.append_data(&mut header, "app", text.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

/// How a deploy ended, and everything that was told on the way.
#[derive(Debug)]
pub(super) struct Ended {
    pub outcome: Outcome,
    pub serving: Option<u64>,
    pub error: Option<Explain>,
    pub events: Vec<Event>,
}

impl Ended {
    pub(super) fn phases(&self) -> Vec<Phase> {
        let phase = |event: &Event| match event.kind {
            EventKind::Entered { phase } => Some(phase),
            _ => None,
        };
        self.events.iter().filter_map(phase).collect()
    }

    pub(super) fn code(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.code)
    }
}

impl Rig {
    pub(super) async fn new() -> Self {
        Self::ticking(Duration::from_millis(200)).await
    }

    /// With another time between two looks.
    pub(super) async fn ticking(tick: Duration) -> Self {
        Self::with(Machine::new(), scratch(), tick).await
    }

    async fn with(machine: Machine, data: tempfile::TempDir, tick: Duration) -> Self {
        let dead = Arc::new(AtomicBool::new(false));
        let world = SimWorld { machine: machine.clone(), dead: Arc::clone(&dead), shown: Default::default() };
        let settings = Settings { disk_reserve_bytes: 1 << 20, tick, ..Settings::new(data.path()) };
        let sites = Sites::open(Arc::new(world), settings).await.unwrap();
        Self { machine, data, sites, dead, tick }
    }

    /// `kill -9` of the keeper, and the next one.
    pub(super) async fn next_keeper(self) -> Self {
        self.kill();
        self.sites.shutdown().await;
        failpoint::clear();
        Self::with(self.machine, self.data, self.tick).await
    }

    /// The machine loses power and starts again.
    pub(super) async fn reboot(self) -> Self {
        self.kill();
        self.sites.shutdown().await;
        self.machine.reboot();
        failpoint::clear();
        let layout = crate::Layout::new(self.data.path());
        for site in layout.sites().unwrap() {
            let journals = crate::history::deploys(&layout.site(&site));
            failpoint::power_cut(journals.into_iter().map(|(_, path)| path));
        }
        let rig = Self::with(self.machine, self.data, self.tick).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        rig.machine.lock().down = false;
        rig
    }

    /// Until this keeper has died where [`failpoint::set`] says, or nothing is under way any more. `true`: it died.
    pub(super) async fn dies_under_way(&self, site: &Site) -> bool {
        while !failpoint::was_hit() && self.handle(site).status().await.unwrap().deploy.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        failpoint::clear();
        failpoint::was_hit()
    }

    /// The keeper after a dead one, with the machine started anew or not.
    pub(super) async fn after_a_death(self, reboot: bool) -> Self {
        if reboot { self.reboot().await } else { self.next_keeper().await }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// The flag by which this keeper is dead.
    pub(super) fn dead(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.dead)
    }

    /// Returns when this keeper is dead.
    pub(super) async fn died(&self) {
        while !self.is_dead() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    pub(super) fn handle(&self, site: &Site) -> SiteHandle {
        self.sites.obtain(site).unwrap()
    }

    pub(super) fn upload(&self, text: &str) -> Artifact {
        self.upload_bytes(&tarball(text))
    }

    pub(super) fn upload_bytes(&self, bytes: &[u8]) -> Artifact {
        let digest = format!("sha256:{}", crate::artifact::hex(&Sha256::digest(bytes)));
        let total = bytes.len() as u64;
        self.sites.artifacts().append(&digest, total, 0, bytes).unwrap();
        Artifact { digest, bytes: total }
    }

    /// How many the store has.
    pub(super) fn archives(&self) -> usize {
        std::fs::read_dir(self.data.path().join("artifacts")).unwrap().count()
    }

    pub(super) fn wanted(&self, manifest: &Manifest, text: &str) -> Wanted {
        let what = What::New { manifest: Box::new(manifest.clone()), artifact: self.upload(text) };
        Wanted { what, wait: Duration::ZERO, drain_now: false }
    }

    /// Waits out the start, then begins.
    pub(super) async fn begin(&self, manifest: &Manifest, text: &str) -> Result<Started, Refused> {
        let handle = self.handle(&manifest.site());
        for _ in 0..1000 {
            match handle.deploy(self.wanted(manifest, text), caller()).await {
                Err(refused) if refused.explain.code == "site-starting" => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                begun => return begun,
            }
        }
        panic!("the site never opened");
    }

    pub(super) async fn deploy(&self, manifest: &Manifest, text: &str) -> Ended {
        let started = self.begin(manifest, text).await.unwrap();
        self.follow(&manifest.site(), &started).await
    }

    pub(super) async fn rollback(&self, site: &Site, to: Option<u64>) -> Ended {
        self.rolled_back(site, Rollback { release: to.map(ReleaseNumber), with_secrets: false }).await
    }

    pub(super) async fn rolled_back(&self, site: &Site, to: Rollback) -> Ended {
        let started = self.handle(site).rollback(to, caller()).await.unwrap();
        self.follow(site, &started).await
    }

    pub(super) async fn follow(&self, site: &Site, started: &Started) -> Ended {
        let mut stream = loop {
            match self.handle(site).events(started.deploy, 0).await {
                Ok(stream) => break stream,
                Err(refused) if refused.explain.code == "site-starting" => {}
                Err(refused) => panic!("no events: {refused:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let mut events = Vec::new();
        while let Some(event) = stream.next().await {
            assert_eq!(event.seq, events.len() as u64 + 1);
            events.push(event);
        }
        match events.last().map(|e| e.kind.clone()) {
            Some(EventKind::Ended { outcome, serving, error, .. }) => {
                Ended { outcome, serving: serving.map(|n| n.0), error, events }
            }
            other => panic!("the deploy has no end but {other:?}; all: {events:#?}"),
        }
    }

    pub(super) async fn serving(&self, site: &Site) -> Option<u64> {
        self.handle(site).status().await.unwrap().serving.map(|n| n.0)
    }

    /// Until nothing drains any more.
    pub(super) async fn settled(&self, site: &Site) {
        for _ in 0..2000 {
            let status = self.handle(site).status().await.unwrap();
            if status.deploy.is_none() && status.services.iter().all(|s| s.state == "live") {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{site} never settles");
    }

    /// Every instance, end after end: the next start is a while away.
    pub(super) fn all_end_again_and_again(&self) {
        for instance in self.machine.lock().instances.values_mut() {
            (0..8).for_each(|n| instance.crash(0.5, 5000 + n));
        }
    }

    pub(super) fn release_dir(&self, site: &Site, n: u64) -> PathBuf {
        self.data
            .path()
            .join("apps")
            .join(site.app.as_str())
            .join(site.env.as_str())
            .join(format!("releases/{n}"))
    }

    /// Nothing that was promised broke, and exactly what should run runs.
    pub(super) async fn check(&self, site: &Site) {
        assert_eq!(self.machine.promises(), Vec::<String>::new());
        let status = self.handle(site).status().await.unwrap();
        let planned: Vec<_> =
            status.services.iter().flat_map(|s| &s.instances).map(|i| i.name.clone()).collect();
        let inner = self.machine.lock();
        let running: Vec<_> =
            inner.instances.keys().filter(|(s, _)| s == site).map(|(_, n)| n.clone()).collect();
        for name in &running {
            assert!(planned.contains(name), "{name} runs without a place");
        }
        for name in &planned {
            assert!(running.contains(name), "{name} should run");
        }
        if let (Some(serving), Some((_, table))) = (status.serving, inner.tables.get(site)) {
            assert_eq!(table.release, Some(serving));
            assert!(!table.routes.is_empty());
        }
    }
}
