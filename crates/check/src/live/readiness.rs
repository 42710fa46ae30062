//! The edge finds every routed instance ready.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<Running> = Check {
    id: "readiness",
    title: "the edge finds every routed instance ready",
    severity: Severity::Error,
    sources: &["HEALTH-08", "GATE-02", "CHK-09k", "CHK-11c"],
    run,
};

fn run(context: &Live<'_>) -> State {
    if context.status.serving.is_none() {
        return not_run("nothing serves");
    }
    let routed: Vec<_> = context
        .serving()
        .filter(|service| context.manifest.is_routed(&service.service))
        .flat_map(|service| &service.instances)
        .filter(|instance| instance.state == "up")
        .collect();
    let wrong = routed
        .iter()
        .filter(|instance| instance.ready != Some(true))
        .map(|instance| match instance.ready {
            Some(_) => format!("{} is not ready", instance.name),
            None => format!("{} is not known to the edge", instance.name),
        })
        .collect();
    let explain = Explain::new("not-ready", "requests do not reach every instance")
        .help("ask the instance for the path of its readiness probe; its logs tell what it lacks");
    found_if(wrong, explain, count(routed.len(), "instance"))
}
