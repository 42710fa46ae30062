//! Removes the logs of what ended, at the start of a keeper and every hour: releases come and go, and their instances'
//! logs would stay for ever.

use std::{sync::Arc, time::Duration};

use model::{Site, manifest::Logs};
use release::SiteHandle;
use supervisor::logs;

use super::operations::Keeper;

const EVERY: Duration = Duration::from_secs(3600);

/// Until it is dropped.
pub(crate) async fn run(keeper: Arc<Keeper>) {
    let mut due = tokio::time::interval(EVERY);
    loop {
        due.tick().await;
        for handle in keeper.sites.list() {
            sweep(&keeper, &handle).await;
        }
    }
}

/// What is kept is what the manifest that serves says.
async fn sweep(keeper: &Arc<Keeper>, handle: &SiteHandle) {
    let keep = handle.config(None).await.map_or_else(|_| Logs::default(), |manifest| manifest.logs);
    let site: Site = handle.site().clone();
    let folder = logs::folder(&keeper.world.ground.folders.data, &site);
    let (of, at) = (Arc::clone(keeper), site.clone());
    let swept = tokio::task::spawn_blocking(move || {
        logs::sweep(&folder, &keep, |name| of.world.instances.slot(&at, name).is_some())
    });
    match swept.await.map_err(std::io::Error::other).flatten() {
        Ok(0) => {}
        Ok(count) => {
            tracing::info!(%site, count, "Log files that were older or more than [logs] says were removed.")
        }
        Err(error) => tracing::warn!(%site, %error, "Old log files stay; it is tried again in an hour."),
    }
}
