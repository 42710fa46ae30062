//! The machine has ports for every instance that may be alive at once.

use api::checks::{Severity, State};
use model::{Explain, manifest::Listen};

use super::{Before, Context};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Before> = Check {
    id: "ports",
    title: "there are ports for every instance",
    severity: Severity::Error,
    sources: &["RUN-01", "RUN-02"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let services = context.manifest.services.values().filter(|service| service.listen == Some(Listen::Tcp));
    let instances: u64 = services.map(|service| u64::from(service.instances.get())).sum();
    let wanted = instances * u64::from(context.manifest.deploy.max_generations);
    let there = u64::from(context.ports.end() - context.ports.start()) + 1;
    let range = format!("{}-{}", context.ports.start(), context.ports.end());
    if wanted <= there {
        return passed(format!("{wanted} at most, of {there} in {range}"));
    }
    found(
        Explain::new(
            "too-few-ports",
            format!("up to {wanted} instances may be alive at once, for {there} ports"),
        )
        .help(format!(
            "widen `ports` of machine.toml (now {range}), or lower `instances` or `max_generations`"
        )),
    )
}
