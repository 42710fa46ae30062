//! A time in which nothing is deployed: holidays, a launch, an investigation.

use serde::{Deserialize, Serialize};

/// Deploys are refused while it stands; what takes a release back is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Milliseconds since 1970, by the clock of the server.
    pub until_unix_ms: u64,
    /// For whoever is refused.
    pub reason: String,
}

impl Freeze {
    pub fn stands(&self, now_unix_ms: u64) -> bool {
        now_unix_ms < self.until_unix_ms
    }
}
