//! Instances that were started together, and those that leave.

use api::status::Open;
use model::{DeployId, InstanceName, ProcessId, ReleaseNumber, ServiceName};
use serde::{Deserialize, Serialize};

use crate::world::{PoolId, PoolStatus};

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
