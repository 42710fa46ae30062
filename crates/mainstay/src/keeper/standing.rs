//! What stands: this keeper, the edge, the listeners, and what the machine does not give.

use std::{sync::Arc, time::SystemTime};

use api::machine::{Listener, Machine, Process};
use supervisor::{Slot, SlotState};

use super::{instances::rfc3339, world::Outside};

pub(crate) struct Standing {
    pub started: SystemTime,
    pub edge: Arc<Slot>,
    pub listeners: Vec<Listener>,
    /// What the living edge does not do yet.
    pub pending: Vec<String>,
    /// Whether somebody above restarts this keeper.
    pub parent: Option<u32>,
    /// How often that parent has started a keeper before this one.
    pub restarts: u64,
}

impl Standing {
    pub(crate) async fn machine(&self, world: &Outside) -> Machine {
        let ground = &world.ground;
        let room = machine::fs::disk_space(&ground.folders.data).ok();
        let mut lost = ground.supervisor.lost_abilities();
        if !ground.users.is_root() {
            lost.push("apps run as the user that started Mainstay: it is not root".to_owned());
        }
        let has_parent = self.has_parent();
        if !has_parent {
            lost.push("no-parent: nothing restarts the keeper; `mainstay up` takes it over".to_owned());
        }
        Machine {
            version: crate::VERSION.to_owned(),
            build: crate::BUILD.to_owned(),
            api: [api::VERSION, api::VERSION],
            host: ground.host.clone(),
            data: ground.folders.data.display().to_string(),
            run: ground.folders.run.display().to_string(),
            keeper: Process {
                pid: std::process::id(),
                started: rfc3339(self.started),
                restarts: self.restarts,
            },
            edge: self.edge(),
            has_parent,
            listeners: self.listeners.clone(),
            lost,
            pending: self.pending.clone(),
            disk_free_bytes: room.map_or(0, |room| room.bytes_free),
            inodes_free: room.map_or(0, |room| room.inodes_free),
        }
    }

    /// The parent at the start is still the parent: a dead one is replaced by whoever reaps orphans.
    fn has_parent(&self) -> bool {
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        self.parent.is_some() && self.parent == now
    }

    fn edge(&self) -> Option<Process> {
        let state = self.edge.state().borrow().clone();
        let (process, since, restarts) = match state {
            SlotState::Starting { process: Some(process), since, restarts, .. }
            | SlotState::Up { process, since, restarts } => (process, since, restarts),
            SlotState::Stopping { process, since } => (process, since, 0),
            SlotState::Starting { process: None, .. }
            | SlotState::BackingOff { .. }
            | SlotState::Stopped { .. } => return None,
        };
        Some(Process { pid: process.pid(), started: rfc3339(since), restarts })
    }
}
