//! NODE_ENV is `production` wherever users are served: libraries know no other word for it.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "node-env",
    title: "NODE_ENV is `production` where it is set",
    severity: Severity::Warning,
    sources: &["W-F11", "CFG-02"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let wrong = context
        .variables()
        .filter(|(_, name, value)| *name == "NODE_ENV" && *value != "production")
        .map(|(service, _, value)| format!("[service.{service}]: NODE_ENV = \"{value}\""))
        .collect();
    let explain = Explain::new("node-env", "libraries would run in their development mode")
        .help("keep NODE_ENV = \"production\" in staging too, and tell environments apart by a variable of your own");
    found_if(wrong, explain, "production, or not set")
}
