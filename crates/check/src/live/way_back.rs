//! There is a release to go back to.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found, not_run, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "way-back",
    title: "there is a release to go back to",
    severity: Severity::Warning,
    sources: &["CHK-02d", "CHK-13h"],
    run,
};

fn run(context: &Live<'_>) -> State {
    match (context.status.serving, context.way_back) {
        (None, _) => not_run("nothing serves"),
        (Some(_), Some(release)) => passed(format!("release {release}")),
        (Some(_), None) => found(
            Explain::new("no-way-back", "no release that has proved itself is there to go back to")
                .now("a rollback would have nowhere to go")
                .help("it comes with the next deploy: what serves now stays beside it"),
        ),
    }
}
