//! Journeys: the real binary with real processes and real load, as its users have it.
//!
//! The tests stand in `tests/journeys`, one file a journey. This library holds what the first minute
//! (`cargo xtask run --check`) and the journeys share.

pub mod assistant;
pub mod busy;
pub mod plain;
