//! The edge does what machine.toml says now.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "edge-current",
    title: "the edge does what machine.toml says",
    severity: Severity::Warning,
    sources: &["RUN-06"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let explain =
        Explain::new("edge-not-current", "the edge that runs does not do all that machine.toml and this build ask of it")
            .now("it serves as it did before")
            .help("other addresses are taken up by `mainstay down` and `mainstay up`; why the edge was not replaced stands in logs/edge/edge.log of the data folder");
    found_if(context.machine.pending.clone(), explain, "it was started with these settings")
}
