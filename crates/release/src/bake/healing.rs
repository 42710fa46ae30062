//! Instances that went with their shims and come again: that they are not ready says nothing about the release, for a while.

use std::{collections::BTreeMap, time::Duration};

use model::{InstanceName, manifest::Manifest};
use tokio::time::Instant;

use crate::{
    state::Group,
    world::{InstanceState, Observed, PoolStatus},
};

/// Who comes again, in one bake.
pub(super) struct Healing {
    lost: BTreeMap<InstanceName, u64>,
    away: BTreeMap<InstanceName, Away>,
    /// As long as the gate gives a new one.
    patience: Duration,
    /// As the gate asks of a new one.
    well_for: Duration,
}

struct Away {
    until: Instant,
    well_since: Option<Instant>,
}

impl Healing {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let (patience, well_for) = (manifest.deploy.health_timeout.0, manifest.deploy.min_healthy_time.0);
        Self { lost: BTreeMap::new(), away: BTreeMap::new(), patience, well_for }
    }

    /// What a keeper finds at its first look was lost before it came.
    pub(super) fn see(&mut self, groups: &[Group], observed: &[Observed], pools: &[PoolStatus]) {
        let now = Instant::now();
        let members = groups.iter().flat_map(|group| &group.members);
        for member in members.filter_map(|m| observed.iter().find(|o| o.name == m.name)) {
            let before = self.lost.insert(member.name.clone(), member.lost).unwrap_or(0);
            if member.lost > before {
                let away = Away { until: now + self.patience, well_since: None };
                self.away.insert(member.name.clone(), away);
            }
            if let Some(away) = self.away.get_mut(&member.name) {
                away.well_since = is_well(member, pools).then(|| away.well_since.unwrap_or(now));
            }
        }
        let well_for = self.well_for;
        let is_back = |away: &Away| away.well_since.is_some_and(|since| since + well_for <= now);
        self.away.retain(|_, away| now < away.until && !is_back(away));
    }

    pub(super) fn has(&self, name: &InstanceName) -> bool {
        self.away.contains_key(name)
    }

    /// Whether nobody is awaited.
    pub(super) fn is_over(&self) -> bool {
        let now = Instant::now();
        self.away.values().all(|away| away.until <= now)
    }
}

fn is_well(instance: &Observed, pools: &[PoolStatus]) -> bool {
    let mut upstreams = pools.iter().flat_map(|pool| &pool.upstreams).filter(|u| u.instance == instance.name);
    instance.state == InstanceState::Up && upstreams.all(|upstream| upstream.ready)
}
