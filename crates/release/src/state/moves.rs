//! How groups move between candidate, live and leaving.

use std::collections::BTreeSet;

use model::{DeployId, InstanceName, ReleaseNumber, ServiceName, manifest::Manifest};

use super::{Group, Leaving, LeavingStage, Recess, State};
use crate::world::PoolId;

impl State {
    /// What serves is asked by this label from now on, and nothing else ever bears it: a return on a full disk takes one
    /// that could not be written down before.
    fn label(&mut self, label: u64) {
        self.generation = label;
        self.next_generation = self.next_generation.max(label + 1);
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
        self.label(generation);
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
        self.label(label);
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

    /// The candidate takes the place of `old` among the members of its service; `old` drains, apart from them.
    pub(crate) fn recycle(&mut self, label: u64, old: &InstanceName, deploy: DeployId) {
        let brought = self.candidate.iter().flat_map(|group| group.members.clone()).collect::<Vec<_>>();
        self.candidate.clear();
        self.canary = None;
        self.label(label);
        let Some(live) = self.live.iter_mut().find(|group| group.service == old.service) else { return };
        let (gone, kept) =
            std::mem::take(&mut live.members).into_iter().partition::<Vec<_>, _>(|m| m.name == *old);
        live.members = kept;
        live.members.extend(brought);
        let group = Group { generation: label, members: gone, ..live.clone() };
        let left = Some(live.generation);
        self.leaving.push(Leaving { left, ..Leaving::whole(group, LeavingStage::Draining, deploy) });
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
        self.label(label);
    }
}
