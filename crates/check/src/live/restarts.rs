//! No instance is in a crash loop.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "restarts",
    title: "no instance is in a crash loop",
    severity: Severity::Warning,
    sources: &["RUN-03", "W-M16", "W-C18"],
    run,
};

/// So many restarts within an hour are no accident any more; those of a crash loop that is over are.
const RESTARTS_MAX: u64 = 3;

fn run(context: &Live<'_>) -> State {
    let mut wrong = Vec::new();
    let mut most = 0;
    for instance in context.serving().flat_map(|service| &service.instances) {
        most = most.max(instance.restarts_last_hour);
        if instance.restarts_last_hour > RESTARTS_MAX || instance.state == "degraded" {
            let exit = instance.last_exit.as_deref().unwrap_or("unknown");
            let times = instance.restarts_last_hour;
            wrong.push(format!(
                "{} restarted {times} times within the last hour, last exit: {exit}",
                instance.name
            ));
        }
    }
    let explain = Explain::new("crash-loop", "instances keep ending by themselves")
        .help("`mainstay logs --instance NAME` has their last words; `mainstay rollback` returns to the last stable release");
    found_if(wrong, explain, format!("at most {most} of one instance within the last hour"))
}
