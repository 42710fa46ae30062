//! What is true of a site between deploys and across crashes: one small file, replaced atomically.
//!
//! Owns the numbers, the groups of instances that should be there and why, and the memory of releases. Every change is
//! one method of [`State`], pure; [`Books`] makes it durable before anyone sees it. Never asks the world anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use api::status::Open;
use machine::formats;
use model::{
    DeployId, Explain, InstanceName, ProcessId, ReleaseId, ReleaseNumber, ServiceName, manifest::Manifest,
    schema::DataSchema,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    layout::{told, write_atomically},
    world::{PoolId, PoolStatus},
};

/// Version of the file; this and the one before are read.
pub(crate) const FORMAT: u32 = 1;
/// Bound: remembered stable releases.
const STABLE_MAX: usize = 64;

/// The instances of one service that were started together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub service: ServiceName,
    pub release: ReleaseNumber,
    pub generation: u64,
    pub members: Vec<Member>,
    /// The generation whose kept values of secrets they are given; `None`: the values of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_of: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub name: InstanceName,
    /// Of its first start.
    pub process: ProcessId,
}

impl Group {
    pub(crate) fn pool(&self) -> PoolId {
        PoolId { service: self.service.clone(), generation: self.generation }
    }
}

/// A group that gets no new requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leaving {
    #[serde(flatten)]
    pub group: Group,
    pub stage: LeavingStage,
    /// The deploy that replaced it; its journal gets the end.
    pub deploy: DeployId,
    /// The generation of the group that serves on and that these were members of: the edge drains them there. `None`: the
    /// whole group leaves, and is a pool of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}

impl Leaving {
    /// A whole group.
    pub(crate) fn whole(group: Group, stage: LeavingStage, deploy: DeployId) -> Self {
        Self { group, stage, deploy, left: None }
    }

    /// What the edge's answer says that it still holds; `None`: the edge has nothing of it.
    pub(crate) fn open(&self, pools: &[PoolStatus]) -> Option<Open> {
        let generation = self.left.unwrap_or(self.group.generation);
        let pool =
            pools.iter().find(|p| p.id.service == self.group.service && p.id.generation == generation)?;
        if self.left.is_none() {
            return Some(pool.open);
        }
        let ours = |name: &InstanceName| self.group.members.iter().any(|member| member.name == *name);
        let each = pool.left.iter().filter(|(name, _)| ours(name)).map(|(_, open)| open);
        Some(each.fold(Open::default(), |all, one| Open {
            http: all.http + one.http,
            streams: all.streams + one.streams,
            websockets: all.websockets + one.websockets,
        }))
    }
}

/// How often instances of a service were replaced though nothing was wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recycled {
    pub count: u64,
    /// RFC 3339: of the last.
    pub at: String,
}

impl ReleaseRecord {
    /// Salted digests of what it runs with, or would come back with.
    pub(crate) fn runs_with(&self) -> &BTreeMap<String, String> {
        self.secrets_settled.as_ref().unwrap_or(&self.secrets)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LeavingStage {
    /// The bake of its successor runs: it may become live again.
    Warm,
    /// Drains by class; a rollback may still claim it.
    Draining,
    /// Being stopped: no way back.
    Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scale {
    pub instances: NonZeroU32,
    /// The manifest's number when it was set; another one ends it.
    pub manifest: NonZeroU32,
}

/// What served was stopped, so that its successor starts alone: nobody is served. Live are then groups that do not run:
/// those that start again if the successor fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recess {
    /// RFC 3339, for people.
    pub since: String,
    /// Of the groups that do not run.
    pub generation: u64,
    /// They are being started again; the site stays closed until they are ready.
    #[serde(default)]
    pub is_over: bool,
}

/// A deploy that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub deploy: DeployId,
    pub release: ReleaseNumber,
    pub explain: Explain,
    /// The database is between two schemas: no deploy until `migrate retry` or `down`.
    pub migration: bool,
    /// It is the contract step that did not come to its end: there is no way down from it.
    #[serde(default)]
    pub contract: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleaseRecord {
    pub id: ReleaseId,
    /// Of the artifact, `sha256:…`.
    pub digest: String,
    /// RFC 3339.
    pub created: String,
    pub operator: String,
    /// Unpacked; 0 until staged.
    pub bytes: u64,
    pub fate: Fate,
    pub schema: Option<u64>,
    /// Salted digests of what its processes were last started with.
    pub secrets: BTreeMap<String, String>,
    /// The same of the last start that came to its end well: what still runs after one that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_settled: Option<BTreeMap<String, String>>,
    /// RFC 3339: when its processes were last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_taken: Option<String>,
    /// The last generation that came to its end well; the values that it was started with are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_kept: Option<u64>,
    /// As [`Group::secrets_of`], of the last that came to its end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_of: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// The marker stands: its files are not whole.
    Staging,
    Staged,
    /// Baked well once.
    Stable,
    /// Aborted or returned from.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub format: u32,
    pub next_release: u64,
    pub next_generation: u64,
    /// Label of the last switch.
    pub generation: u64,
    pub serving: Option<ReleaseNumber>,
    pub live: Vec<Group>,
    /// Of the deploy in flight.
    pub candidate: Vec<Group>,
    /// So many of a hundred clients are sent to the candidates.
    #[serde(default)]
    pub canary: Option<u8>,
    #[serde(default)]
    pub recess: Option<Recess>,
    /// How long nobody was served the last time.
    #[serde(default)]
    pub last_recess: Option<model::Span>,
    pub leaving: Vec<Leaving>,
    /// In the order in which they became stable, each once; the last is the newest.
    pub stable: Vec<ReleaseNumber>,
    pub scale: BTreeMap<ServiceName, Scale>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recycled: BTreeMap<ServiceName, Recycled>,
    pub paused: Option<String>,
    pub held: Option<Held>,
    pub schema: Option<DataSchema>,
    pub releases: BTreeMap<ReleaseNumber, ReleaseRecord>,
    /// The last run that was begun. The names of journals would say it too, but for clocks that jump.
    #[serde(default)]
    pub last_deploy: Option<DeployId>,
    /// `mainstay down`: nothing is started until the next start of the machine.
    #[serde(default)]
    pub down: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: formats::current(FORMAT),
            next_release: 1,
            next_generation: 1,
            generation: 0,
            serving: None,
            live: Vec::new(),
            candidate: Vec::new(),
            canary: None,
            recess: None,
            last_recess: None,
            leaving: Vec::new(),
            stable: Vec::new(),
            scale: BTreeMap::new(),
            recycled: BTreeMap::new(),
            paused: None,
            held: None,
            schema: None,
            releases: BTreeMap::new(),
            last_deploy: None,
            down: false,
        }
    }
}

impl State {
    /// The release that a rollback without a number means: the newest stable one from before the one that serves, so
    /// that a second rollback never leads forward again.
    pub(crate) fn last_stable_before(&self, serving: Option<ReleaseNumber>) -> Option<ReleaseNumber> {
        self.kept_stable().find(|release| serving.is_none_or(|serving| *release < serving))
    }

    /// The stable release to fall back to where what serves does not come up.
    pub(crate) fn other_stable(&self) -> Option<ReleaseNumber> {
        self.kept_stable().find(|release| Some(*release) != self.serving)
    }

    /// Newest first; a stable release may have been pruned since, and nobody can return to that.
    fn kept_stable(&self) -> impl Iterator<Item = ReleaseNumber> {
        self.stable.iter().rev().copied().filter(|release| self.releases.contains_key(release))
    }

    /// Whose kept values of secrets a release is given, where one more process of it starts.
    pub(crate) fn secrets_of(&self, release: ReleaseNumber, service: Option<&ServiceName>) -> Option<u64> {
        let is_of = |group: &&Group| service.is_none_or(|service| group.service == *service);
        match self.live.iter().filter(is_of).find(|group| group.release == release) {
            Some(group) => group.secrets_of,
            None => self.releases.get(&release)?.secrets_of,
        }
    }

    /// How many instances of a service are wanted under this manifest.
    pub(crate) fn instances(&self, manifest: &Manifest, service: &ServiceName) -> u32 {
        let Some(own) = manifest.services.get(service).map(|s| s.instances) else { return 0 };
        match self.scale.get(service) {
            Some(scale) if scale.manifest == own => scale.instances.get(),
            _ => own.get(),
        }
    }

    /// Traffic goes to the candidates; live groups that `replaced` names leave, warm; the others stay live.
    pub(crate) fn switch(
        &mut self,
        generation: u64,
        release: ReleaseNumber,
        deploy: DeployId,
        replaced: impl Fn(&Group) -> bool,
    ) {
        let (gone, kept) = std::mem::take(&mut self.live).into_iter().partition::<Vec<_>, _>(|g| replaced(g));
        self.live = kept;
        self.live.append(&mut self.candidate);
        self.canary = None;
        self.live.sort_by(|a, b| a.service.cmp(&b.service));
        // What does not run is not kept warm.
        let ran = gone.into_iter().filter(|group| !self.rests(group.generation)).collect::<Vec<_>>();
        let stage = LeavingStage::Warm;
        self.leaving.extend(ran.into_iter().map(|group| Leaving::whole(group, stage, deploy)));
        self.recess = self.recess.take().filter(|r| self.live.iter().any(|g| g.generation == r.generation));
        self.generation = generation;
        self.serving = Some(release);
    }

    /// Others than before, if any were left. Nobody is sent to them yet.
    pub(crate) fn set_candidates(&mut self, groups: Vec<Group>) {
        self.candidate = groups;
        self.canary = None;
    }

    /// The candidates go. What users were sent to, or what served warm before, drains; the others are given to be stopped.
    pub(crate) fn withdraw(&mut self, deploy: DeployId, are_warm: bool) -> Vec<Group> {
        let groups = std::mem::take(&mut self.candidate);
        if self.canary.take().is_none() && !are_warm {
            return groups;
        }
        let stage = LeavingStage::Draining;
        self.leaving.extend(groups.into_iter().map(|group| Leaving::whole(group, stage, deploy)));
        Vec::new()
    }

    /// Traffic goes back to what this deploy's switch made warm; what it brought (generation `brought`) drains. `label`
    /// is fresh: what serves is asked by it.
    pub(crate) fn switch_back(
        &mut self,
        label: u64,
        serving: Option<ReleaseNumber>,
        brought: u64,
        deploy: DeployId,
    ) {
        let is_warm = |l: &Leaving| l.deploy == deploy && l.stage == LeavingStage::Warm;
        let (warm, other) = std::mem::take(&mut self.leaving).into_iter().partition::<Vec<_>, _>(is_warm);
        self.leaving = other;
        let (green, kept) =
            std::mem::take(&mut self.live).into_iter().partition::<Vec<_>, _>(|g| g.generation == brought);
        self.live = kept;
        let stage = LeavingStage::Draining;
        self.leaving.extend(green.into_iter().map(|group| Leaving::whole(group, stage, deploy)));
        self.live.extend(warm.into_iter().map(|l| l.group));
        self.live.sort_by(|a, b| a.service.cmp(&b.service));
        self.serving = serving;
        self.generation = label;
    }

    /// Whether groups of this generation should not run now.
    pub(crate) fn is_stopped(&self, generation: u64) -> bool {
        self.rests(generation) && self.recess.as_ref().is_some_and(|recess| !recess.is_over)
    }

    /// Whether groups of this generation take no requests, because of a recess.
    pub(crate) fn rests(&self, generation: u64) -> bool {
        self.recess.as_ref().is_some_and(|recess| recess.generation == generation)
    }

    /// [`State::switch_back`] to what was stopped: it starts, as `resting`, when what this deploy brought is gone.
    pub(crate) fn switch_back_in_recess(
        &mut self,
        (recess, resting): (Recess, Vec<Group>),
        serving: Option<ReleaseNumber>,
        brought: u64,
        deploy: DeployId,
    ) {
        let label = recess.generation;
        self.switch_back(label, serving, brought, deploy);
        self.live.extend(resting);
        self.live.sort_by(|a, b| a.service.cmp(&b.service));
        self.recess = Some(recess);
    }

    /// What serves drains; `resting` are the groups that would start in its place.
    pub(crate) fn begin_recess(&mut self, recess: Recess, resting: Vec<Group>, deploy: DeployId) {
        let rests = |group: &Group| resting.iter().any(|r| r.service == group.service);
        let (gone, kept) = std::mem::take(&mut self.live).into_iter().partition::<Vec<_>, _>(rests);
        let stage = LeavingStage::Draining;
        self.leaving.extend(gone.into_iter().map(|group| Leaving::whole(group, stage, deploy)));
        self.live = kept;
        self.live.extend(resting);
        self.live.sort_by(|a, b| a.service.cmp(&b.service));
        self.recess = Some(recess);
    }

    /// Of what a recess stopped, these pools still drain: they serve again, in the place of those that would start.
    pub(crate) fn take_back_draining(&mut self, pools: &BTreeSet<PoolId>) {
        let back = |l: &Leaving| pools.contains(&l.group.pool()) && l.stage == LeavingStage::Draining;
        let (draining, other) = std::mem::take(&mut self.leaving).into_iter().partition::<Vec<_>, _>(back);
        self.leaving = other;
        let resting = self.recess.as_ref().map(|recess| recess.generation);
        let replaced = |group: &Group| {
            Some(group.generation) == resting && draining.iter().any(|l| l.group.service == group.service)
        };
        self.live.retain(|group| !replaced(group));
        self.live.extend(draining.into_iter().map(|l| l.group));
        self.live.sort_by(|a, b| a.service.cmp(&b.service));
    }

    /// A generation's number that was never used.
    pub(crate) fn fresh_generation(&mut self) -> u64 {
        let fresh = self.next_generation;
        self.next_generation += 1;
        fresh
    }

    /// A rollback takes a release's draining groups back as its candidates; all services of it or nothing.
    pub(crate) fn claim_warm(&mut self, release: ReleaseNumber, manifest: &Manifest) -> bool {
        let warm =
            |l: &Leaving| l.group.release == release && l.stage == LeavingStage::Draining && l.left.is_none();
        let has = |service: &ServiceName| {
            self.leaving.iter().filter(|l| warm(l)).filter(|l| l.group.service == *service).count() == 1
        };
        if !manifest.services.keys().all(has) {
            return false;
        }
        let (back, other) = std::mem::take(&mut self.leaving).into_iter().partition::<Vec<_>, _>(warm);
        self.leaving = other;
        self.set_candidates(back.into_iter().map(|l| l.group).collect());
        true
    }

    /// Every group of a service is to be stopped now, whatever it was; gives them.
    pub(crate) fn dismiss(&mut self, service: &ServiceName, deploy: DeployId) -> Vec<Group> {
        let (gone, kept) = std::mem::take(&mut self.live).into_iter().partition(|g| g.service == *service);
        self.live = kept;
        let stage = LeavingStage::Stopping;
        self.leaving.extend(Vec::into_iter(gone).map(|group| Leaving::whole(group, stage, deploy)));
        let of_service = self.leaving.iter_mut().filter(|l| l.group.service == *service);
        of_service
            .map(|leaving| {
                leaving.stage = stage;
                leaving.group.clone()
            })
            .collect()
    }

    /// A group serves that nothing was replaced by.
    pub(crate) fn install(&mut self, group: Group) {
        self.live.push(group);
        self.live.sort_by(|a, b| a.service.cmp(&b.service));
    }

    /// The bake is over: what was warm drains.
    pub(crate) fn let_go(&mut self, deploy: DeployId) {
        for leaving in self.leaving.iter_mut().filter(|l| l.deploy == deploy) {
            if leaving.stage == LeavingStage::Warm {
                leaving.stage = LeavingStage::Draining;
            }
        }
    }

    pub(crate) fn mark_stable(&mut self, release: ReleaseNumber) {
        self.stable.retain(|r| *r != release);
        self.stable.push(release);
        if self.stable.len() > STABLE_MAX {
            self.stable.remove(0);
        }
        if let Some(record) = self.releases.get_mut(&release) {
            record.fate = Fate::Stable;
        }
    }

    /// A release that did not make it; one that was stable before stays so.
    pub(crate) fn mark_failed(&mut self, release: ReleaseNumber) {
        if let Some(record) = self.releases.get_mut(&release)
            && record.fate != Fate::Stable
        {
            record.fate = Fate::Failed;
        }
    }

    /// Releases whose code may serve or runs: never pruned, and bound by the schema contract.
    pub(crate) fn needed(&self) -> BTreeSet<ReleaseNumber> {
        let groups = self.live.iter().chain(&self.candidate).chain(self.leaving.iter().map(|l| &l.group));
        let mut needed: BTreeSet<_> = groups.map(|group| group.release).collect();
        needed.extend(self.serving);
        needed.extend(self.stable.last());
        needed.extend(self.last_stable_before(self.serving));
        needed.extend(self.other_stable());
        needed.extend(self.held.as_ref().map(|held| held.release));
        needed
    }

    /// How many generations of a service have instances, candidates not counted.
    pub(crate) fn generations_of(&self, service: &ServiceName) -> usize {
        let leaving = self.leaving.iter().filter(|l| l.left.is_none()).map(|l| &l.group);
        self.live.iter().chain(leaving).filter(|group| group.service == *service).count()
    }

    /// Every group that has or should have instances.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.live.iter().chain(&self.candidate).chain(self.leaving.iter().map(|l| &l.group))
    }

    /// The candidate takes the place of `old` among the members of its service; `old` drains, apart from them.
    pub(crate) fn recycle(&mut self, label: u64, old: &InstanceName, deploy: DeployId) {
        let brought = self.candidate.iter().flat_map(|group| group.members.clone()).collect::<Vec<_>>();
        self.candidate.clear();
        self.canary = None;
        self.generation = label;
        let Some(live) = self.live.iter_mut().find(|group| group.service == old.service) else { return };
        let (gone, kept) =
            std::mem::take(&mut live.members).into_iter().partition::<Vec<_>, _>(|m| m.name == *old);
        live.members = kept;
        live.members.extend(brought);
        let group = Group { generation: label, members: gone, ..live.clone() };
        let left = Some(live.generation);
        self.leaving.push(Leaving { left, ..Leaving::whole(group, LeavingStage::Draining, deploy) });
    }

    /// One more instance of this service was replaced though nothing was wrong with it.
    pub(crate) fn count_recycled(&mut self, service: &ServiceName, at: String) {
        let recycled = self.recycled.entry(service.clone()).or_default();
        *recycled = Recycled { count: recycled.count.saturating_add(1), at };
    }

    /// The candidates join the live groups of their services (more instances of the same release).
    pub(crate) fn grow(&mut self, label: u64) {
        self.canary = None;
        for group in std::mem::take(&mut self.candidate) {
            match self.live.iter_mut().find(|live| live.service == group.service) {
                Some(live) => live.members.extend(group.members),
                None => self.live.push(group),
            }
        }
        self.generation = label;
    }
}

/// Holds a site's [`State`] and writes every change before it is seen.
pub(crate) struct Books {
    path: PathBuf,
    /// The lock is held for one small write, never across an await; readers take a snapshot.
    state: Mutex<Arc<State>>,
    changed: watch::Sender<()>,
}

impl Books {
    /// Reads the site's file, or begins an empty one.
    /// # Errors
    /// It does not read, or was written by a newer Mainstay.
    pub(crate) fn open(path: &Path) -> Result<Self, Explain> {
        let state = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(told("state-unreadable", "read", path, &error)),
            Ok(bytes) => parse(path, &bytes)?,
        };
        Ok(Self { path: path.to_owned(), state: Mutex::new(Arc::new(state)), changed: watch::channel(()).0 })
    }

    pub(crate) fn read(&self) -> Arc<State> {
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Applies a change and makes it durable; on an error nothing has changed.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Explain> {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = State::clone(&current);
        let answer = change(&mut next);
        if next != **current {
            // One of the version before becomes one of this version with its first change.
            next.format = formats::current(FORMAT);
            let bytes = serde_json::to_vec_pretty(&next).map_err(|error| {
                Explain::new("state-unwritable", "cannot encode the state").because(&error)
            })?;
            write_atomically(&self.path, &bytes)
                .map_err(|error| told("state-unwritable", "write", &self.path, &error))?;
            *current = Arc::new(next);
            self.changed.send_replace(());
        }
        Ok(answer)
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<State, Explain> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let unreadable = |error: serde_json::Error| {
        Explain::new("state-unreadable", format!("{} does not read", path.display()))
            .because(&error)
            .help("restore it from a backup of the data folder; the apps that run are not touched")
    };
    let found: Versioned = serde_json::from_slice(bytes).map_err(unreadable)?;
    let own = formats::current(FORMAT);
    if found.format > own {
        return Err(Explain::new(
            "state-newer",
            format!("{} was written by a newer Mainstay", path.display()),
        )
        .caused_by(format!("its format is {}, this version reads up to {own}", found.format))
        .help("run the newer Mainstay"));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}
