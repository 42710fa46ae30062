//! No instance was refused a system call. What ends by itself (`mainstay run`, jobs, hooks) is gone before anybody asks it: its log has
//! its refusals.

use api::{
    checks::{Severity, State},
    status::Instance,
};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "refused-calls",
    title: "the sandbox refused no instance a system call",
    severity: Severity::Warning,
    sources: &["CTR-09"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let instances = context.serving().flat_map(|service| &service.instances);
    let refused = instances.filter(|instance| !instance.refused_calls.is_empty()).map(words).collect();
    let explain = Explain::new("refused-calls", "the sandbox refused system calls")
        .now("whoever called was told EPERM; everything else goes on")
        .help(
            "`mainstay logs` has a line at the first of each, with the word that opens it in [sandbox]; an app that never \
             did this before may have been broken into",
        );
    found_if(
        refused,
        explain,
        "none to the instances that run; what it refused to `mainstay run`, `exec`, jobs and hooks stands in their logs alone, \
         and files that landlock refuses (\"Permission denied\") in the app's own",
    )
}

fn words(instance: &Instance) -> String {
    let times = |n: u64| if n == 1 { "once".to_owned() } else { format!("{n} times") };
    let each = instance.refused_calls.iter().map(|(call, n)| format!("{call} {}", times(*n)));
    format!("{}: {}", instance.name, each.collect::<Vec<_>>().join(", "))
}
