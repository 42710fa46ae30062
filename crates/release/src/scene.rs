//! One site's part of the world: its books, its places, and the only way to the edge's table.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use model::{Explain, InstanceName, ProcessId, ReleaseNumber, Site, manifest::Manifest};
use schedule::Logbook;
use tokio::time::{Instant, timeout};

use crate::{
    artifact::ArtifactStore,
    claims::Claims,
    journal::{Clock, stamp},
    layout::{SiteLayout, told},
    seldom::Seldom,
    settings::Settings,
    state::{Books, Group, State},
    stopping::Stopping,
    table::{self, Manifests},
    unwritten::Unwritten,
    world::{JobKind, JobOrder, Observed, PoolStatus, Served, SiteTable, StopOrder, World},
};

/// What every run and every retirement of the site shares.
pub(crate) struct Scene<W> {
    pub site: Site,
    pub layout: SiteLayout,
    pub world: Arc<W>,
    pub settings: Arc<Settings>,
    pub books: Books,
    /// What became of scheduled runs.
    pub logbook: Logbook,
    pub claims: Arc<Claims>,
    pub artifacts: ArtifactStore,
    /// Manifests never change once written.
    // Bound: dropped for releases that are pruned.
    pub manifests: Mutex<Manifests>,
    /// Invariant: whoever publishes holds it from reading the books to the edge's answer, and across the change of the
    /// books that belongs to it; else an older table could follow a newer one.
    pub pointer: tokio::sync::Mutex<()>,
    /// The edge did not say that it took the last table: what the books say is published once more.
    pub is_table_owed: AtomicBool,
    /// That the edge takes no table is asked for several times a second, by run after run.
    pub no_table: Seldom,
    /// The site is being taken down or off the machine: why a run is cancelled that nobody cancelled.
    pub ending: AtomicBool,
    /// What the end of the run waits for, over each time that it is tried again.
    pub owed: Unwritten,
    pub stopping: Stopping,
}

impl<W: World> Scene<W> {
    pub(crate) async fn observed(&self) -> Result<Vec<Observed>, Explain> {
        self.world.observed(&self.site).await
    }

    /// Names that no new instance may have: of those that are there, and of those that are being stopped.
    pub(crate) async fn taken(&self) -> Result<Vec<InstanceName>, Explain> {
        let observed = self.observed().await?;
        Ok(observed.into_iter().map(|one| one.name).chain(self.stopping.names()).collect())
    }

    /// What records are stamped by.
    pub(crate) fn clock(&self) -> Clock {
        let world = Arc::clone(&self.world);
        Arc::new(move || world.now())
    }

    /// Now, as records say it.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.world.now())
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_unix_ms(&self) -> u64 {
        u64::try_from(self.world.now().as_millisecond()).unwrap_or_default()
    }

    pub(crate) async fn pools(&self) -> Result<Vec<PoolStatus>, Explain> {
        self.world.pools(&self.site).await
    }

    /// The manifest that a release runs under.
    pub(crate) fn manifest(&self, release: ReleaseNumber) -> Result<Arc<Manifest>, Explain> {
        let mut manifests = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = manifests.get(&release) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(read_manifest(&self.layout.manifest(release))?);
        manifests.insert(release, Arc::clone(&manifest));
        Ok(manifest)
    }

    /// Where the values of secrets stand that one more process of a release is given; `None`: in their source.
    pub(crate) fn kept_secrets(&self, release: ReleaseNumber) -> Option<PathBuf> {
        let of = self.books.read().secrets_of(release, None);
        of.map(|generation| self.layout.kept_secrets(release, generation))
    }

    /// A job of a release: in its folder, under its sandbox, with nothing but the shared folder to write to. What it does and
    /// for how long is for the caller to say.
    pub(crate) fn job_order(
        &self,
        kind: JobKind,
        process: ProcessId,
        release: ReleaseNumber,
        manifest: &Manifest,
    ) -> JobOrder {
        JobOrder {
            site: self.site.clone(),
            kind,
            process,
            argv: Vec::new(),
            is_own: false,
            cwd: self.layout.files(release),
            env: BTreeMap::new(),
            told: BTreeMap::new(),
            env_secrets: Vec::new(),
            kept_secrets: self.kept_secrets(release),
            release,
            release_dir: self.layout.files(release),
            shared_dir: self.layout.shared(),
            stdin: None,
            writable: vec![self.layout.shared()],
            sandbox: manifest.sandbox.clone(),
            offline: false,
            timeout: Duration::ZERO,
            limits: model::manifest::Limits::default(),
            scheduled: None,
        }
    }

    pub(crate) fn remember(&self, release: ReleaseNumber, manifest: &Arc<Manifest>) {
        let mut manifests = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        manifests.insert(release, Arc::clone(manifest));
    }

    pub(crate) fn forget(&self, release: ReleaseNumber) {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).remove(&release);
    }

    /// The table that belongs to `state`.
    pub(crate) async fn table(&self, state: &State) -> Result<SiteTable, Explain> {
        let observed = self.observed().await?;
        let releases = state.groups().map(|group| group.release).chain(state.serving);
        let manifests = releases.map(|release| Ok((release, self.manifest(release)?)));
        let manifests: Manifests = manifests.collect::<Result<_, Explain>>()?;
        Ok(table::build(state, &manifests, &observed))
    }

    /// Publishes the table of `state` within the switch's limit. The caller holds [`Scene::pointer`].
    pub(crate) async fn publish_state(&self, state: &State) -> Result<Served, Explain> {
        let table = self.table(state).await?;
        let limit = self.settings.switch_limit;
        let answer = timeout(limit, self.world.publish(&self.site, table)).await;
        self.is_table_owed.store(!matches!(answer, Ok(Ok(_))), Ordering::Relaxed);
        match answer {
            Ok(answer) => answer,
            Err(_) => Err(Explain::new(
                "edge-silent",
                format!("the edge did not take the new table within {}", model::Span(limit)),
            )
            .help("`mainstay status` shows the edge; it is restarted by itself")),
        }
    }

    /// Publishes what the books say now.
    pub(crate) async fn publish(&self) -> Result<Served, Explain> {
        let _pointer = self.pointer.lock().await;
        self.publish_state(&self.books.read()).await
    }

    /// The same, as often as it takes until `until`.
    pub(crate) async fn publish_until(&self, until: Instant) -> Result<Served, Explain> {
        loop {
            match self.publish().await {
                Err(error) if Instant::now() >= until => return Err(error),
                Err(error) => {
                    if let Some(untold) = self.no_table.is_due(&error.code) {
                        tracing::warn!(site = %self.site, %error, untold, "The edge took no table; again.");
                    }
                }
                served => {
                    self.no_table.is_over();
                    return served;
                }
            }
            tokio::time::sleep(self.settings.tick).await;
        }
    }

    /// Stops all members of these groups at once and waits until nothing of them is left.
    pub(crate) async fn stop_groups(&self, groups: &[Group]) -> Vec<Explain> {
        let _kept = self.stopping.keep(groups);
        let stops = groups.iter().flat_map(|group| {
            let service = self.manifest(group.release).ok();
            let service = service.and_then(|m| m.services.get(&group.service).cloned());
            let signal = service.as_ref().map_or(model::manifest::StopSignal::Term, |s| s.stop_signal);
            let grace = service.map_or(Duration::from_secs(30), |s| s.stop_timeout.0);
            group.members.iter().map(move |member| self.stop(&member.name, signal, grace))
        });
        let ends = futures_util::future::join_all(stops).await;
        ends.into_iter().filter_map(Result::err).collect()
    }

    async fn stop(
        &self,
        name: &InstanceName,
        signal: model::manifest::StopSignal,
        grace: Duration,
    ) -> Result<(), Explain> {
        let order = StopOrder { site: self.site.clone(), name: name.clone(), signal, grace };
        self.world.stop_instance(order).await
    }

    /// Takes away what the data folder holds of a release.
    pub(crate) async fn remove_release(&self, release: ReleaseNumber) -> Result<(), Explain> {
        self.forget(release);
        let dir = self.layout.release(release);
        remove(dir).await
    }
}

/// Removes a folder off the runtime; sealed ones too.
pub(crate) async fn remove(dir: PathBuf) -> Result<(), Explain> {
    let removed = tokio::task::spawn_blocking(move || {
        crate::seal::remove(&dir).map_err(|error| told("remove-failed", "remove", &dir, &error))
    });
    removed.await.unwrap_or_else(|_| Err(Explain::new("remove-failed", "removing a folder ended early")))
}

pub(crate) fn read_manifest(path: &Path) -> Result<Manifest, Explain> {
    let bytes = std::fs::read(path).map_err(|e| told("release-incomplete", "read", path, &e))?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
        Explain::new("release-incomplete", format!("{} does not read", path.display()))
            .because(&error)
            .help("deploy that release anew; what runs of it is not touched")
    })?;
    if manifest.format > machine::formats::current(model::manifest::FORMAT) {
        return Err(Explain::new(
            "release-newer",
            format!("{} was written by a newer Mainstay", path.display()),
        )
        .help("run the newer Mainstay, or deploy this release anew"));
    }
    Ok(manifest)
}
