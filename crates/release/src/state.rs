//! What is true of a site between deploys and across crashes: one small file, replaced atomically.
//!
//! Owns the numbers, the groups of instances that should be there and why, and the memory of releases. Every change is
//! one method of [`State`], pure; [`Books`] makes it durable before anyone sees it. Never asks the world anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use machine::formats;
use model::{
    DeployId, Explain, Freeze, Notice, ReleaseNumber, ServiceName, manifest::Manifest, schema::DataSchema,
};
use serde::{Deserialize, Serialize};

mod books;
mod group;
mod moves;
mod record;

pub(crate) use books::Books;
pub(crate) use group::{Group, Leaving, LeavingStage, Member};
pub(crate) use record::{Fate, ReleaseRecord};

/// Version of the file; this and the one before are read.
pub(crate) const FORMAT: u32 = 1;
/// Bound: remembered stable releases.
const STABLE_MAX: usize = 64;

/// How often instances of a service were replaced though nothing was wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recycled {
    pub count: u64,
    /// RFC 3339: of the last.
    pub at: String,
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

/// The page that an operator has put up in place of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub notice: Notice,
    /// RFC 3339, for people.
    pub since: String,
    pub operator: String,
}

/// No deploy begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frozen {
    pub freeze: Freeze,
    /// RFC 3339, for people.
    pub since: String,
    pub operator: String,
}

/// A deploy that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub deploy: DeployId,
    pub release: ReleaseNumber,
    pub explain: Explain,
    /// The database is between two schemas: until `migrate retry` or `down`, or a deploy that moves it on.
    pub migration: bool,
    /// It is the contract step that did not come to its end: there is no way down from it.
    #[serde(default)]
    pub contract: bool,
    /// The schema that the database had before; there, nothing is held any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<Posted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// The last release that a deploy has brought asks for approvals, or one that was returned from since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approval: bool,
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
            posted: None,
            frozen: None,
            approval: false,
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
    /// The migration that a person must see to.
    pub(crate) fn held_migration(&self) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.migration)
    }

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

    /// Whether groups of this generation should not run now.
    pub(crate) fn is_stopped(&self, generation: u64) -> bool {
        self.rests(generation) && self.recess.as_ref().is_some_and(|recess| !recess.is_over)
    }

    /// Whether groups of this generation take no requests, because of a recess.
    pub(crate) fn rests(&self, generation: u64) -> bool {
        self.recess.as_ref().is_some_and(|recess| recess.generation == generation)
    }

    /// A generation's number that was never used.
    pub(crate) fn fresh_generation(&mut self) -> u64 {
        let fresh = self.next_generation;
        self.next_generation += 1;
        fresh
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

    /// One more instance of this service was replaced though nothing was wrong with it.
    pub(crate) fn count_recycled(&mut self, service: &ServiceName, at: String) {
        let recycled = self.recycled.entry(service.clone()).or_default();
        *recycled = Recycled { count: recycled.count.saturating_add(1), at };
    }
}
