//! A routed service has two instances, so that one may fall.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "one-instance",
    title: "routed services have more than one instance",
    severity: Severity::Info,
    sources: &["HA-01", "HA-05"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if !context.manifest.env.is_production() {
        return not_run(format!("{} is not production", context.manifest.env));
    }
    let services = context.manifest.services.iter();
    let wrong = services
        .filter(|(name, service)| service.instances.get() == 1 && context.manifest.is_routed(name))
        .map(|(name, _)| format!("[service.{name}] has one"))
        .collect();
    let explain = Explain::new("one-instance", "when the only instance falls, users wait until it is back")
        .help("set `instances = 2`, if the app bears two of it (SQLite in WAL mode does, on one machine)");
    found_if(wrong, explain, "all have two or more")
}
