//! Somebody who asks too often is told to wait.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "rate-limits",
    title: "every route limits how often a client may ask",
    severity: Severity::Warning,
    sources: &["RATE-01", "RATE-02", "RATE-03", "CHK-07b", "CHK-09d"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let manifest = context.manifest;
    if !manifest.env.is_production() {
        return not_run(format!("{} is not production", manifest.env));
    }
    let open = manifest.routes.iter().filter(|route| route.rate_limits.is_empty());
    let wrong = open.map(|route| format!("the route to {}{} has none", route.service, route.path_prefix));
    let explain = Explain::new("no-rate-limit", "one client can take all that an app has")
        .help("`[[route.rate_limit]]` with `preset = \"api\"` allows 10 requests a second and a burst; docs/guide/limits.md");
    found_if(wrong.collect(), explain, count(manifest.routes.len(), "route"))
}
