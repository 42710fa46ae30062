//! Nothing waits for a person: no deploy is held, none is paused.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "deploys",
    title: "no deploy waits for a person",
    severity: Severity::Warning,
    sources: &["CHK-11b", "W-D3", "W-D14", "W-M16"],
    run,
};

fn run(context: &Live<'_>) -> State {
    if let Some(held) = &context.status.held {
        return found(held.clone());
    }
    if let Some(why) = &context.status.paused {
        return found(
            Explain::new("paused", "deploys are paused")
                .caused_by(why.clone())
                .help("allow them with `mainstay resume`"),
        );
    }
    match &context.status.deploy {
        Some(deploy) => passed(format!("release {} is being deployed by {}", deploy.to, deploy.operator)),
        None => passed("none is at work"),
    }
}
