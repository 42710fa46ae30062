//! Whole deploys in a seeded world without processes: time is paused, faults are planned, keepers die.

mod approvals;
mod blame;
mod canaries;
mod crash_loops;
mod crashes;
mod deploys;
mod environments;
pub(crate) mod failpoint;
mod faults;
mod figures;
mod holds;
mod hooks;
mod instance;
mod machine;
mod once;
mod pieces;
mod recesses;
mod recorded;
mod recycles;
mod rig;
mod schedules;
mod simulation;
mod singletons;
mod trace;
mod unwritten;
mod world;
