//! The database's schema as the journal knows it.

use model::{Explain, ReleaseNumber, schema::DataSchema};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MigrateStatus {
    /// `None`: no release of this site states a schema.
    pub data: Option<DataSchema>,
    pub serving: Option<ReleaseNumber>,
    /// The migration that needs a person, with its choices.
    pub held: Option<Explain>,
}
