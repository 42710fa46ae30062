//! Something restarts the keeper.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, count, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "keeper-parent",
    title: "something restarts the keeper",
    severity: Severity::Warning,
    sources: &["RUN-03", "RUN-06"],
    run,
};

fn run(context: &Live<'_>) -> State {
    if context.machine.has_parent {
        return passed(count(context.machine.keeper.restarts as usize, "restart"));
    }
    found(
        Explain::new("no-parent", "`mainstay up` is gone, and nothing restarts the keeper")
            .now("apps serve on")
            .help("run `mainstay up` again: it takes this keeper over without a break"),
    )
}
