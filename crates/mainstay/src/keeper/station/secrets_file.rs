//! The file of the webhooks' secrets, while the station runs: one that is mended or renewed needs no other keeper.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{config::folders::Folders, keeper::webhooks::Webhooks};

/// How often it is looked whether it is another file, or was written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells one state of a file from another.
type Stamp = (u64, u64, u64, i64, i64);

/// As it was last read.
pub(super) struct SecretsFile {
    path: PathBuf,
    seen: Option<Option<Stamp>>,
}

impl SecretsFile {
    /// Not read yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Returns when a webhook signs with another secret than it did. Cancel-safe: what was not looked at is looked at again.
    pub(super) async fn changed(&mut self, webhooks: &Arc<Webhooks>, folders: &Folders) {
        loop {
            // Before it is read: what is written meanwhile is seen the next time.
            let now = stamp(&self.path);
            if self.seen != Some(now) {
                let (asked, folders) = (Arc::clone(webhooks), folders.clone());
                let is_another = tokio::task::spawn_blocking(move || asked.read_again(&folders)).await;
                self.seen = Some(now);
                if is_another.unwrap_or(false) {
                    return;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
}
