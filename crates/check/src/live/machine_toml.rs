//! What stands in machine.toml is what holds.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "machine-toml",
    title: "machine.toml can be read",
    severity: Severity::Error,
    sources: &["RUN-06"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let Some(why) = &context.machine.unread else { return passed("the keeper goes by it") };
    let explain = Explain::new("machine-toml-unread", "machine.toml has mistakes and is not used")
        .caused_by(why.to_string())
        .now("what it said before holds; after a `mainstay down` Mainstay would not start")
        .help("mend it: the keeper takes it up by itself");
    found(Explain { details: why.details.clone(), place: why.place.clone(), ..explain })
}
