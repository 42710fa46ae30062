//! The schema contract: which code may run on which state of the database.
//!
//! An old release can never know the highest schema it will meet, so each migration says it: `compatible_with` is the
//! lowest code schema that still works after it. The database's state is the pair (version, floor).

use serde::{Deserialize, Serialize};

/// What a release's code says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSchema {
    /// The schema that the code was written for.
    pub schema: u64,
    /// The lowest schema that it runs on.
    pub schema_min: u64,
}

/// What is true of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSchema {
    /// The highest migration applied.
    pub version: u64,
    /// The highest `compatible_with` applied: code below it is broken by what the database has become.
    pub floor: u64,
}

impl CodeSchema {
    /// `schema_min <= version` and `schema >= floor`.
    pub fn may_run_on(self, data: DataSchema) -> bool {
        self.schema_min <= data.version && self.schema >= data.floor
    }
}

impl DataSchema {
    /// The state after migrating to `to`, whose migrations declare `compatible_with` (absent: `to` itself, breaking).
    #[must_use]
    pub fn after(self, to: u64, compatible_with: Option<u64>) -> Self {
        if to <= self.version {
            return self;
        }
        Self { version: to, floor: self.floor.max(compatible_with.unwrap_or(to)) }
    }
}
