//! What needs the app running: from what the keeper and the edge say of it.

mod certificates;
mod deploys;
mod disk;
mod edge_current;
mod edge_up;
mod instances_up;
mod limits;
mod machine_toml;
mod parent;
mod readiness;
mod refused_calls;
mod restarts;
mod sandbox;
mod schedules;
mod serving;
#[cfg(test)]
pub(crate) mod tests;
mod tls_served;
mod way_back;
mod webhooks;

use api::{checks::Finding, machine::Machine, status::SiteStatus};
use model::{ReleaseNumber, manifest::Manifest};

use crate::finding::{Check, Looks};

/// One moment of a site and of its machine.
pub struct Live<'a> {
    /// Of the release that serves.
    pub manifest: &'a Manifest,
    pub status: &'a SiteStatus,
    pub machine: &'a Machine,
    /// The newest release that has proved itself and does not serve.
    pub way_back: Option<ReleaseNumber>,
}

impl Live<'_> {
    /// The services of the release that serves, as they run.
    fn serving(&self) -> impl Iterator<Item = &api::status::ServiceStatus> {
        self.status.services.iter().filter(|service| Some(service.release) == self.status.serving)
    }
}

pub(crate) const CHECKS: [&Check<Running>; 19] = [
    &serving::CHECK,
    &instances_up::CHECK,
    &readiness::CHECK,
    &restarts::CHECK,
    &refused_calls::CHECK,
    &sandbox::CHECK,
    &limits::CHECK,
    &schedules::CHECK,
    &deploys::CHECK,
    &edge_up::CHECK,
    &edge_current::CHECK,
    &machine_toml::CHECK,
    &tls_served::CHECK,
    &certificates::VALID,
    &certificates::RENEWED,
    &parent::CHECK,
    &disk::CHECK,
    &webhooks::CHECK,
    &way_back::CHECK,
];

/// The kind of checks that look at a [`Live`] site.
pub(crate) struct Running;

impl Looks for Running {
    type At<'a> = Live<'a>;
}

pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.id)
}

/// All checks of what runs.
pub fn live(context: &Live<'_>) -> Vec<Finding> {
    CHECKS.iter().map(|check| check.find(context)).collect()
}
