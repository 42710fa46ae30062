//! The instances that this keeper holds: a slot each, and what was seen of it.

mod seen;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api::status::SiteStatus;
use model::{Explain, InstanceName, Site};
use release::world::{InstanceState, Observed};
use supervisor::{
    Process, Slot, SlotEvent, SlotState, StopPlan, Supervisor,
    slot::{Ended, SlotSettings},
};
use tokio::sync::{broadcast::error::RecvError, watch};

use self::seen::{Seen, probe_seen};
use super::past::Kept;

/// Every slot of every site. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Instances {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    held: HashMap<(Site, InstanceName), Held>,
    changes: HashMap<Site, watch::Sender<u64>>,
}

#[derive(Clone)]
struct Held {
    slot: Arc<Slot>,
    seen: Arc<Mutex<Seen>>,
    kept: Kept,
}

/// How an instance is cared for.
pub(crate) struct Care {
    pub settings: SlotSettings,
    pub public: PublicBind,
    pub past: Kept,
    /// Its process, where one lives.
    pub adopted: Option<Process>,
}

/// How an instance that listens on all interfaces is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicBind {
    Allowed,
    Warned,
    Refused,
}

impl Instances {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes care of an instance from now on.
    pub(crate) fn hold(
        &self,
        supervisor: &Supervisor,
        site: &Site,
        name: &InstanceName,
        care: Care,
    ) -> Arc<Slot> {
        let seen = Arc::new(Mutex::new(Seen::of(care.past.clone())));
        let witnessing = Arc::clone(&seen);
        let witness = Box::new(move |event: &SlotEvent| {
            witnessing.lock().unwrap_or_else(PoisonError::into_inner).witness(event);
        });
        let slot = Arc::new(Slot::start(supervisor.clone(), care.settings, care.adopted, witness));
        let held = Held { slot: Arc::clone(&slot), seen, kept: care.past };
        tokio::spawn(watch_slot(held.clone(), self.clone(), site.clone(), name.clone(), care.public));
        self.inner().held.insert((site.clone(), name.clone()), held);
        self.changed(site);
        slot
    }

    pub(crate) fn slot(&self, site: &Site, name: &InstanceName) -> Option<Arc<Slot>> {
        self.inner().held.get(&(site.clone(), name.clone())).map(|held| Arc::clone(&held.slot))
    }

    /// Stops the instance, by its own plan or another, and forgets it once nothing of it is left.
    /// # Errors
    /// A process of it lives on, whatever was done; it is forgotten all the same, since nobody can do more.
    pub(crate) async fn stop(
        &self,
        site: &Site,
        name: &InstanceName,
        plan: Option<StopPlan>,
    ) -> Result<(), Explain> {
        let Some(slot) = self.slot(site, name) else { return Ok(()) };
        let exit = slot.stop(plan).await;
        if let Some(held) = self.inner().held.remove(&(site.clone(), name.clone())) {
            held.kept.forget();
        }
        self.changed(site);
        if !exit.is_some_and(|exit| exit.left_behind) {
            return Ok(());
        }
        let message = format!("a process of {name} of {site} does not end, not even by SIGKILL");
        Err(Explain::new("instance-not-stopped", message)
            .caused_by("it is stuck in the kernel, mostly on a disk or a network file system")
            .help("`ps -eo pid,stat,wchan:30,args` shows where (state D); if that does not pass, only a reboot ends it"))
    }

    /// Stops all of a site, each as its own order says.
    pub(crate) async fn stop_all(&self, site: &Site) {
        let names = self.observed(site).into_iter().map(|observed| observed.name);
        let stops = names.map(|name| async move {
            if let Err(error) = self.stop(site, &name, None).await {
                tracing::error!(%site, instance = %name, %error, "An instance is not stopped.");
            }
        });
        futures_util::future::join_all(stops).await;
    }

    pub(crate) fn observed(&self, site: &Site) -> Vec<Observed> {
        let held: Vec<_> = {
            let inner = self.inner();
            let mine = inner.held.iter().filter(|((of, _), _)| of == site);
            mine.map(|((_, name), held)| (name.clone(), held.clone())).collect()
        };
        let mut all: Vec<_> = held.iter().map(|(name, held)| observed(name, held)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Asks each instance that is shown what its sandbox refused.
    /// Bound: one that does not answer at once tells nothing.
    pub(crate) async fn tell_refused(&self, status: &mut SiteStatus) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let site = status.site.clone();
        let instances = status.services.iter_mut().flat_map(|service| &mut service.instances);
        let asked = instances.filter_map(|instance| {
            let process = self.slot(&site, &instance.name)?.process()?;
            Some(async move {
                let told = tokio::time::timeout(PATIENCE, process.refused_calls()).await;
                instance.refused_calls = told.unwrap_or_default();
            })
        });
        futures_util::future::join_all(asked).await;
    }

    pub(crate) fn changes(&self, site: &Site) -> watch::Receiver<u64> {
        self.inner().changes.entry(site.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    fn changed(&self, site: &Site) {
        if let Some(counter) = self.inner().changes.get(site) {
            counter.send_modify(|count| *count += 1);
        }
    }
}

/// Follows one slot until it is stopped, keeps what it tells, and wakes who waits for the site.
async fn watch_slot(held: Held, all: Instances, site: Site, name: InstanceName, public: PublicBind) {
    let mut events = held.slot.events();
    let mut state = held.slot.state();
    loop {
        let ended = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    tell(&site, &name, &event);
                    held.seen.lock().unwrap_or_else(PoisonError::into_inner).take(&name, event, public)
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(%site, instance = %name, missed, "Events of an instance were missed.");
                    false
                }
                Err(RecvError::Closed) => true,
            },
            moved = state.changed() => moved.is_err(),
        };
        all.changed(&site);
        if ended {
            return;
        }
    }
}

fn tell(site: &Site, name: &InstanceName, event: &SlotEvent) {
    match event {
        SlotEvent::Crashed { exit, .. } => {
            tracing::warn!(%site, instance = %name, %exit, "An instance ended by itself; it is started again.");
        }
        SlotEvent::NotSpawned { error } => {
            tracing::warn!(%site, instance = %name, error, "An instance cannot be started; it is tried again.");
        }
        SlotEvent::LivenessFailed { .. } => {
            tracing::warn!(%site, instance = %name, "An instance does not answer its liveness probe; it is restarted.");
        }
        SlotEvent::Degraded { restarts } => {
            tracing::error!(%site, instance = %name, restarts, "An instance ends again and again; it is tried once a minute.");
        }
        SlotEvent::Started { pid, .. } => {
            tracing::info!(%site, instance = %name, pid, "An instance was started.")
        }
        other => tracing::debug!(%site, instance = %name, event = ?other, "An instance moved on."),
    }
}

fn observed(name: &InstanceName, held: &Held) -> Observed {
    let state = held.slot.state().borrow().clone();
    let process = process_of(&state);
    let memory = process.and_then(Process::memory);
    let seen = held.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let probing = match &state {
        SlotState::Starting { last_probe: Some(answer), .. } => Some(probe_seen("startup", answer)),
        _ => None,
    };
    Observed {
        name: name.clone(),
        process: process.map_or(model::ProcessId(ulid::Ulid::nil()), Process::id),
        pid: process.map(Process::pid),
        state: word_of(&state),
        address: process.and_then(Process::address).cloned(),
        exits: seen.past.exits,
        lost: seen.past.lost,
        exits_last_hour: seen.past.exits_last_hour(),
        last_exit: seen.past.last_exit.clone(),
        fault: seen.fault.clone(),
        warnings: seen.warnings.clone(),
        last_probe: probing.or_else(|| seen.last_probe.clone()),
        since: since_of(&state).map(rfc3339),
        age: process.and_then(Process::age),
        memory_bytes: memory.map(|memory| memory.now),
        memory_peak_bytes: memory.map(|memory| memory.peak),
    }
}

fn process_of(state: &SlotState) -> Option<&Process> {
    match state {
        SlotState::Starting { process, .. } => process.as_ref(),
        SlotState::Up { process, .. } | SlotState::Stopping { process, .. } => Some(process),
        SlotState::BackingOff { .. } | SlotState::Stopped { .. } => None,
    }
}

fn since_of(state: &SlotState) -> Option<std::time::SystemTime> {
    match state {
        SlotState::Starting { since, .. }
        | SlotState::Up { since, .. }
        | SlotState::BackingOff { since, .. }
        | SlotState::Stopping { since, .. } => Some(*since),
        SlotState::Stopped { .. } => None,
    }
}

fn word_of(state: &SlotState) -> InstanceState {
    match state {
        SlotState::Starting { .. } => InstanceState::Starting,
        SlotState::Up { .. } => InstanceState::Up,
        SlotState::BackingOff { degraded: true, .. } => InstanceState::Degraded,
        SlotState::BackingOff { .. } => InstanceState::BackingOff,
        SlotState::Stopping { .. } => InstanceState::Stopping,
        SlotState::Stopped { .. } => InstanceState::Stopped,
    }
}

/// Why the first start did not even make a process.
pub(crate) fn never_spawned(state: &SlotState) -> Option<&str> {
    match state {
        SlotState::BackingOff { last: Ended::NotSpawned(why), .. } => Some(why),
        _ => None,
    }
}

pub(crate) fn rfc3339(time: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}
