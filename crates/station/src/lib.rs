//! The station: a process beside the edge that tells others what happens on this machine.
//!
//! Owns the durable queue of webhooks, how they are signed, when they are tried again, and its half of the conversation
//! with the keeper. It never decides what happens on the machine, reads no journal, and nothing of the traffic waits for
//! it: without it events stay where they are, in the journals, and are told later. Begin with [`run`], then [`queue`],
//! which holds what must not be lost.

mod body;
pub mod events;
mod hook;
mod keeper;
pub mod place;
mod queue;
mod retry;
mod run;
mod send;
pub mod settings;
pub mod sign;

pub use queue::FORMAT as QUEUE_FORMAT;
pub use run::main;
pub use settings::Settings;
