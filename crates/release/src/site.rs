//! The task of one site: takes commands one by one, holds the lock, starts what runs long.

use std::sync::Arc;

use model::{Explain, Site};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifact::ArtifactStore,
    claims::Claims,
    handle::{Command, QUEUE_MAX, SiteHandle},
    settings::Settings,
    world::World,
};

/// What every site's task uses.
pub(crate) struct Shared<W> {
    pub world: Arc<W>,
    pub settings: Arc<Settings>,
    pub artifacts: ArtifactStore,
    pub claims: Arc<Claims>,
    pub tasks: TaskTracker,
    /// Cancelled when the keeper ends: tasks stop, instances do not.
    pub ending: CancellationToken,
}

impl<W> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            settings: Arc::clone(&self.settings),
            artifacts: self.artifacts.clone(),
            claims: Arc::clone(&self.claims),
            tasks: self.tasks.clone(),
            ending: self.ending.clone(),
        }
    }
}

/// Starts the site's task.
pub(crate) fn spawn<W: World>(shared: Shared<W>, site: Site) -> Result<SiteHandle, Explain> {
    let (commands, mut inbox) = mpsc::channel::<Command>(QUEUE_MAX);
    let ending = shared.ending.clone();
    shared.tasks.clone().spawn(async move {
        let _shared = shared;
        while let Some(command) = ending.run_until_cancelled(inbox.recv()).await.flatten() {
            drop(command);
        }
    });
    Ok(SiteHandle { site, commands })
}
