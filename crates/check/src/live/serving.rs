//! The edge serves a release, and the one that runs.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "serving",
    title: "the edge serves the release that runs",
    severity: Severity::Error,
    sources: &["GATE-02", "CHK-11c", "CHK-13c", "W-D13"],
    run,
};

fn run(context: &Live<'_>) -> State {
    if let Some(unwritten) = &context.status.unwritten {
        return found(unwritten.why.clone());
    }
    let Some(release) = context.status.serving else {
        return found(
            Explain::new("serves-nothing", format!("the edge serves nothing of {}", context.status.site))
                .help("`mainstay deploy` brings a release"),
        );
    };
    if context.serving().next().is_some() {
        return passed(format!("release {release}"));
    }
    found(
        Explain::new("serves-nothing-alive", format!("the edge serves release {release}, and nothing of it runs"))
            .help("`mainstay logs` tells why its instances ended; `mainstay rollback` returns to the last stable one"),
    )
}
