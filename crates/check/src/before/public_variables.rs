//! Variables that a build freezes into pages are not set where they cannot work.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "public-variables",
    title: "no variable is set that only a build reads",
    severity: Severity::Warning,
    sources: &["W-F6", "CFG-09"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let frozen = ["NEXT_PUBLIC_", "VITE_", "REACT_APP_"];
    let secrets = context.secret_names().into_iter().map(|name| ("env_secrets", name));
    let wrong = context
        .variables()
        .map(|(service, name, _)| (service, name))
        .chain(secrets)
        .filter(|(_, name)| frozen.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(place, name)| format!("{name} ({place})"))
        .collect();
    let explain = Explain::new("public-variable", "these variables are frozen into pages when they are built")
        .help("setting them here changes nothing: set them in the build, or let the page ask the app for its configuration");
    found_if(wrong, explain, "none")
}
