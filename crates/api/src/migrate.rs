//! The database's schema as the journal knows it.

use model::{Explain, ReleaseNumber, schema::DataSchema};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MigrateStatus {
    /// As it was known last. `None`: no release of this site states a schema.
    pub data: Option<DataSchema>,
    pub serving: Option<ReleaseNumber>,
    /// The migration that needs a person, with its choices.
    pub held: Option<Explain>,
    /// As the database says it now; `None`: it was not asked, since something is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// What the database says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    At {
        version: u64,
        /// Steps that were begun and did not end.
        half_done: Vec<String>,
    },
    Unreadable {
        why: Explain,
    },
}
