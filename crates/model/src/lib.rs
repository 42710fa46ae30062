//! The words that every room shares: names, ids, units, secrets, the manifest's meaning, and how an error is told.
//!
//! Owns types that at least two rooms need. Never does I/O and never reads a clock. Begin with [`manifest`]: it is what
//! a user asks for; [`names`] says how things are called everywhere.

pub mod accounts;
pub mod address;
pub mod explain;
pub mod freeze;
pub mod host;
pub mod ids;
pub mod manifest;
pub mod names;
pub mod notice;
pub mod room;
pub mod sandbox;
pub mod schema;
pub mod secret;
pub mod traffic;
pub mod units;

pub use address::Address;
pub use explain::Explain;
pub use freeze::Freeze;
pub use ids::{DeployId, ProcessId, ReleaseId, ReleaseNumber};
pub use names::{AppName, EnvName, InstanceName, LimitName, NameError, ServiceName, Site};
pub use notice::Notice;
pub use sandbox::Sandbox;
pub use secret::Secret;
pub use traffic::Traffic;
pub use units::{ByteSize, Span};
