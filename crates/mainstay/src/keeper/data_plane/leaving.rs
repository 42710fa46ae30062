//! Edges that serve no more: each stops to accept, drains by class, each class to its own limit, and ends. What they still hold
//! is counted with what the serving edge holds, so that nobody stops an instance under a request.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use edge::{
    control::{Client, PoolStatus, Shutdown},
    table::{PoolId, Table},
};
use supervisor::{Process, Slot, StopPlan};

use super::{control_of, places};
use crate::keeper::{ground::Ground, jobs};

/// Beyond its drain, for its last words.
const SLACK: Duration = Duration::from_secs(5);
/// A draining edge is asked with every look at the pools, so one that hangs must not hold them up for long.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// All of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving(Arc<Mutex<Vec<Arc<Edge>>>>);

#[derive(Debug)]
struct Edge {
    process: Process,
    control: Client,
    /// What it held when it last answered.
    held: Mutex<Vec<PoolStatus>>,
}

impl Leaving {
    /// Tells an edge to drain, and looks after it until it has ended. It is told by its control socket for how long, then
    /// its shim, which ends it at last whichever keeper lives.
    pub(super) fn retire(&self, ground: &Ground, process: Process) {
        let within = drain_of(&process).unwrap_or(ground.machine.shutdown_timeout.0);
        let edge = self.hold(process);
        tokio::spawn(async move {
            edge.stop(within).await;
        });
    }

    /// The same of one that a slot still cares for and that never came to serve.
    pub(super) fn give_up(&self, ground: &Ground, slot: Arc<Slot>) {
        let edge = slot.process().map(|process| {
            let within = drain_of(&process).unwrap_or(ground.machine.shutdown_timeout.0);
            (self.hold(process), within)
        });
        tokio::spawn(async move {
            if let Some((edge, within)) = &edge {
                edge.tell(*within).await;
            }
            slot.stop(edge.map(|(_, within)| plan(within))).await;
        });
    }

    /// Counts what the edge holds until it has ended; then what it left is removed.
    fn hold(&self, process: Process) -> Arc<Edge> {
        let control = Client::new(control_of(&process.spec().cwd)).timeout(ANSWER_LIMIT);
        let edge = Arc::new(Edge { process, control, held: Mutex::default() });
        self.all().push(Arc::clone(&edge));
        let (all, of_task) = (self.clone(), Arc::clone(&edge));
        tokio::spawn(async move {
            of_task.process.wait().await;
            tracing::info!(pid = of_task.process.pid(), "An edge that drained has ended.");
            all.all().retain(|edge| edge.process.id() != of_task.process.id());
            places::remove(&of_task.process.spec().cwd);
            jobs::forget(&of_task.process).await;
        });
        edge
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Edge>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Vec<Arc<Edge>> {
        self.all().clone()
    }

    /// Whether one of them has its things in that folder.
    pub(super) fn has(&self, folder: &Path) -> bool {
        self.all().iter().any(|edge| edge.process.spec().cwd == *folder)
    }

    /// Those that have not ended.
    pub(crate) fn processes(&self) -> Vec<Process> {
        self.all().iter().map(|edge| edge.process.clone()).collect()
    }

    /// What they hold, pool by pool. One that does not answer holds what it held when it did.
    pub(crate) async fn pools(&self) -> Vec<PoolStatus> {
        let edges = self.list();
        let asked = edges.iter().map(async |edge| {
            let answer = edge.control.status().await;
            let mut held = edge.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(status) = answer {
                *held = status.pools;
            }
            held.clone()
        });
        futures_util::future::join_all(asked).await.concat()
    }

    /// Ends what they hold of this pool. One that does not take it drains to its own limits.
    pub(crate) async fn drain_now(&self, pool: &PoolId) {
        for edge in self.list() {
            if let Err(error) = edge.control.drain_now(pool).await {
                tracing::debug!(%error, %pool, "An edge that drains does not hurry.");
            }
        }
    }

    /// Everything ends: they too, within that time.
    pub(crate) async fn end(&self, within: Duration) {
        let edges = self.list();
        futures_util::future::join_all(edges.iter().map(async |edge| {
            edge.stop(within).await;
            edge.process.wait().await;
        }))
        .await;
    }
}

impl Edge {
    /// Begins its end; a second call shortens it.
    async fn stop(&self, within: Duration) {
        self.tell(within).await;
        machine::failpoint::hit("edge-told");
        if let Err(error) = self.process.stop_with(plan(within)).await {
            tracing::warn!(%error, pid = self.process.pid(), "An edge that should drain does not hear it.");
        }
    }

    async fn tell(&self, within: Duration) {
        if let Err(error) = self.control.shutdown(within).await {
            tracing::debug!(%error, "An edge does not hear how long it may drain.");
        }
    }
}

fn plan(within: Duration) -> StopPlan {
    StopPlan { signal: 15, grace: within + SLACK }
}

/// For how long an edge must be given so that every class of its table has its own limit.
fn drain_of(process: &Process) -> Option<Duration> {
    let table = Table::read(&process.spec().cwd.join(places::TABLE)).ok()?;
    Some(Shutdown::for_drain(table.drain_max()).within.0)
}
