//! All sites of this machine: found in the data folder at the start, made at their first deploy, destroyed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use model::{Explain, Site};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifact::ArtifactStore,
    claims::Claims,
    handle::SiteHandle,
    layout::{Layout, told},
    request::{Refused, RefusedKind},
    settings::Settings,
    site,
    world::World,
};

/// The registry; cheap to clone.
#[derive(Clone)]
pub struct Sites {
    inner: Arc<Inner>,
}

struct Inner {
    artifacts: ArtifactStore,
    layout: Layout,
    claims: Arc<Claims>,
    sites: Mutex<BTreeMap<Site, SiteHandle>>,
    /// Those that are there and cannot be opened: why.
    unopened: Mutex<BTreeMap<Site, Explain>>,
    spawn: Box<dyn Fn(Site) -> Result<SiteHandle, Explain> + Send + Sync>,
    tasks: TaskTracker,
    ending: CancellationToken,
}

impl Sites {
    /// Finds every site below the data folder and starts its task, which adopts what runs, ends what a keeper before
    /// this one left half done, and brings up what should be there. Returns before that is done: each site's status
    /// tells. A site whose state does not read is left alone and told by [`Sites::unopened`]; the others go on.
    /// # Errors
    /// The data folder does not read.
    pub async fn open<W: World>(world: Arc<W>, settings: Settings) -> Result<Self, Explain> {
        let layout = Layout::new(&settings.data);
        let artifacts = ArtifactStore::open(
            layout.artifacts(),
            settings.artifact_bytes_max,
            settings.disk_reserve_bytes,
        )?;
        let found = layout.sites().map_err(|e| told("data-unreadable", "read", &layout.apps(), &e))?;
        let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
        let claims = Arc::new(Claims::new(settings.shared_hosts.clone()));
        let shared = site::Shared {
            world,
            settings: Arc::new(settings),
            artifacts: artifacts.clone(),
            claims: Arc::clone(&claims),
            tasks: tasks.clone(),
            ending: ending.clone(),
        };
        let spawn = Box::new(move |site| site::spawn(shared.clone(), site));
        let (sites, unopened) = (Mutex::default(), Mutex::default());
        let inner = Inner { artifacts, layout, claims, sites, unopened, spawn, tasks, ending };
        let all = Self { inner: Arc::new(inner) };
        for site in found {
            if let Err(error) = all.obtain(&site) {
                tracing::error!(%site, %error, "The site cannot be opened and is left as it is.");
                all.inner.unopened().insert(site, left_alone(error));
            }
        }
        Ok(all)
    }

    /// The uploads.
    pub fn artifacts(&self) -> &ArtifactStore {
        &self.inner.artifacts
    }

    /// Those that are there and whose state did not read when it was last looked at, in order, and why.
    /// [`Sites::list`] looks.
    pub fn unopened(&self) -> Vec<(Site, Explain)> {
        self.inner.unopened().iter().map(|(site, why)| (site.clone(), why.clone())).collect()
    }

    /// Why it still cannot be opened; `None`: it can, or has nothing on the disk any more, or never was such a one.
    fn open_again(&self, site: &Site) -> Option<Explain> {
        let known = self.inner.unopened().get(site).cloned()?;
        let layout = self.inner.layout.site(site);
        if !layout.is_there() {
            self.inner.unopened().remove(site);
            return None;
        }
        // Somebody is putting another file in its place: taken up without one, all that serves would have no place.
        if !layout.state().exists() {
            return Some(known);
        }
        let why = left_alone(self.obtain(site).err()?);
        self.inner.unopened().insert(site.clone(), why.clone());
        Some(why)
    }

    /// All sites that have something on the disk, in order: one that was only planned has nothing.
    pub fn list(&self) -> Vec<SiteHandle> {
        // One that was mended meanwhile is taken up.
        for (site, _) in self.unopened() {
            self.open_again(&site);
        }
        let there = |handle: &&SiteHandle| self.inner.layout.site(handle.site()).is_there();
        self.sites().values().filter(there).cloned().collect()
    }

    /// # Errors
    /// [`RefusedKind::NotFound`]; [`RefusedKind::Failed`]: its state does not read.
    pub fn get(&self, site: &Site) -> Result<SiteHandle, Refused> {
        if let Some(why) = self.open_again(site) {
            return Err(Refused::failed(why));
        }
        self.sites().get(site).cloned().ok_or_else(|| {
            let explain = Explain::new("no-such-site", format!("{site} is not on this machine"))
                .help("`mainstay apps` lists what is; `mainstay deploy` makes a new one");
            Refused::new(RefusedKind::NotFound, explain)
        })
    }

    /// The site's handle, made if this is its first deploy or plan. Nothing is on the disk before a deploy begins.
    /// # Errors
    /// Its state does not read.
    pub fn obtain(&self, site: &Site) -> Result<SiteHandle, Explain> {
        let mut sites = self.sites();
        if let Some(handle) = sites.get(site).filter(|handle| !handle.commands.is_closed()) {
            return Ok(handle.clone());
        }
        let handle = (self.inner.spawn)(site.clone())?;
        sites.insert(site.clone(), handle.clone());
        if self.inner.unopened().remove(site).is_some() {
            tracing::info!(%site, "The site reads again and is taken up.");
        }
        Ok(handle)
    }

    /// Withdraws the site's routes, stops its instances and removes its releases, logs and journals; the shared folder
    /// only `with_data`. A deploy in flight is cancelled first.
    /// # Errors
    /// No such site; an instance that cannot be stopped; files that cannot be removed.
    pub async fn destroy(&self, site: &Site, with_data: bool) -> Result<(), Refused> {
        // What an earlier destroy has left is known by its folder alone.
        let is_left = with_data && self.inner.layout.site(site).root.is_dir();
        let handle = if is_left { self.obtain(site).map_err(Refused::failed)? } else { self.get(site)? };
        handle.destroy(with_data).await?;
        self.inner.claims.release(site);
        self.sites().remove(site);
        // The app's folder goes with its last environment.
        let app = self.inner.layout.apps().join(site.app.as_str());
        if let Err(error) = std::fs::remove_dir(&app) {
            tracing::debug!(%error, "The app's folder stays.");
        }
        Ok(())
    }

    /// Ends all tasks and leaves every instance running: the next keeper adopts them and goes on with what was in
    /// flight. Returns when no task is left.
    pub async fn shutdown(&self) {
        self.inner.ending.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    fn sites(&self) -> std::sync::MutexGuard<'_, BTreeMap<Site, SiteHandle>> {
        self.inner.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn unopened(&self) -> std::sync::MutexGuard<'_, BTreeMap<Site, Explain>> {
        self.unopened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn left_alone(why: Explain) -> Explain {
    why.now("what runs of it serves on, and nothing of it can be changed; once it reads again it is taken up by itself")
}
