//! Releases: what is on the machine, how one takes over from another, and how it is taken back.
//!
//! Owns the deploy machine (plan, preflight, stage, approve, migrate, start, gate, switch, relieve, bake, drain, stop, commit), its journal,
//! the state of each site, the artifact store and the unpacking of archives. Never touches a socket and never spawns:
//! it asks a [`World`], which the binary fills with the supervisor and the edge and the tests with a seeded one.
//!
//! Nothing before SWITCH can change what users get; every transition is journalled and fsynced before it is done; after
//! a crash at any line the next keeper knows what is true and ends in a known state. Begin with `deploy.rs`, the story;
//! [`Sites`] is the door, [`SiteHandle`] what the API talks to, `recover.rs` what happens after a crash.

mod abort;
mod approve;
mod artifact;
mod bake;
mod begin;
mod canary;
mod carry;
mod claims;
mod commit;
mod crash_loop;
mod deploy;
mod down;
mod environment;
mod events;
mod figures;
mod gate;
mod handle;
mod history;
mod hooks;
mod journal;
mod layout;
mod migrate;
mod news;
mod open;
mod plan;
mod posted;
mod preflight;
mod prune;
mod recess;
mod recover;
mod recycle;
mod relieve;
mod request;
mod retire;
mod return_to_old;
mod run;
mod scene;
mod schedules;
mod seal;
mod seldom;
mod settings;
mod site;
mod sites;
mod smoke;
mod stage;
mod start;
mod state;
mod status;
mod stopping;
mod switch;
mod symptoms;
mod table;
#[cfg(test)]
mod tests;
pub mod unpack;
mod unwritten;
pub mod world;

pub use artifact::{ArtifactStore, sha256};
pub use events::EventStream;
pub use handle::SiteHandle;
pub use layout::{Layout, SiteLayout};
pub use news::{Happened, News, What as NewsWhat};
pub use plan::digest_word;
pub use request::{Caller, MigrateVerb, Refused, RefusedKind, Runnable, Wanted, What};
pub use settings::Settings;
pub use sites::Sites;
pub use world::World;

/// The formats of what this room stores, by name.
pub const FORMATS: [(&str, u32); 3] =
    [("journal", journal::FORMAT as u32), ("site", state::FORMAT), ("seal", seal::FORMAT)];
