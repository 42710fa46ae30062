//! A number that outlives keepers and goes with `down` and the boot: a file in the run folder.

use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub(crate) struct Counted(PathBuf);

impl Counted {
    /// How often a keeper was started.
    pub(crate) fn keepers(run: &Path) -> Self {
        Self(run.join("keeper.starts"))
    }

    /// How often an edge hung and was replaced.
    pub(crate) fn hung_edges(run: &Path) -> Self {
        Self(run.join("edge.hung"))
    }

    pub(crate) fn read(&self) -> u64 {
        std::fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// One more; gives the number before. What cannot be written is only not counted.
    pub(crate) fn count(&self) -> u64 {
        let before = self.read();
        if let Err(error) = std::fs::write(&self.0, format!("{}\n", before + 1)) {
            tracing::debug!(%error, file = %self.0.display(), "A number is not kept.");
        }
        before
    }
}
