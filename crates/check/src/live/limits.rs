//! The limits that the manifest asks for are held.

use api::checks::{Severity, State};
use model::{Explain, manifest::Limits};

use super::{Live, Running};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "limits",
    title: "the limits of the manifest are held",
    severity: Severity::Warning,
    sources: &["CTR-09"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let missing = |controller: &str| context.machine.missing_controllers.iter().any(|one| one == controller);
    let mut wrong = Vec::new();
    for program in context.manifest.programs() {
        let asked = asked(&program.limits).into_iter().filter(|(controller, _)| missing(controller));
        wrong.extend(asked.map(|(_, words)| format!("{}: {words}", program.service)));
    }
    let explain = Explain::new("limits", "limits of the manifest are not held on this machine")
        .now("the app runs without them; `nofile` is held everywhere")
        .help(
            "they need cgroup v2 with its controllers for Mainstay: `mainstay install` on a machine with systemd gives them; \
             elsewhere delegate a cgroup to it",
        );
    found_if(wrong, explain, "each has its controller, or none is asked for")
}

/// What is asked for, by the controller that holds it, and what is true without.
fn asked(limits: &Limits) -> Vec<(&'static str, &'static str)> {
    [
        (limits.memory_max.is_some(), "memory", "`memory_max` kills nobody"),
        (limits.memory_high.is_some(), "memory", "`memory_high` slows nobody"),
        (
            limits.tasks_max.is_some(),
            "pids",
            "`tasks_max` counts all processes of the account (RLIMIT_NPROC), or nothing",
        ),
        (limits.cpu_weight.is_some(), "cpu", "`cpu_weight` weighs nothing"),
    ]
    .into_iter()
    .filter(|(is_asked, ..)| *is_asked)
    .map(|(_, controller, words)| (controller, words))
    .collect()
}
