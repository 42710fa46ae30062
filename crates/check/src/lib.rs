//! Findings: the checklists of production guides as checks that run. What is wrong, why, how to mend it, and from where
//! the demand comes.
//!
//! Owns one small file per finding: under `before/` what can be known before anything runs, under `live/` what needs the
//! app running, under `host/` what a public machine should be like, under `served/` what strangers get from it. Each has an id, a severity, the requirements it answers, and a state: found, passed, not run, or attested
//! by a person until a date. Never changes anything, never opens a connection to the outside. Begin with [`before`],
//! [`live`] and [`attest`].

pub mod accounts;
pub mod attest;
mod before;
mod finding;
mod host;
mod live;
mod people;
pub mod profile;
pub mod programs;
pub mod served;

/// The ids of all findings: what an attestation can name.
pub fn ids() -> impl Iterator<Item = &'static str> {
    let machine = host::ids().chain(served::ids());
    let alone = people::ids().filter(|id| !machine.clone().any(|known| known == *id)).collect::<Vec<_>>();
    let live = live::ids().chain(machine.clone());
    [before::MANIFEST].into_iter().chain(before::ids()).chain(live).chain(alone)
}

pub use attest::Attestation;
pub use before::{Context, Secrets, before, checkout, manifest};
pub use host::{Facts, Host, host, unseen};
pub use live::{Live, live};
pub use people::ONLY_PEOPLE;
