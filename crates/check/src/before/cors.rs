//! CORS lets in the app's own origin, not everybody and not a developer's machine.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "cors",
    title: "CORS origins are the app's own",
    severity: Severity::Error,
    sources: &["W-F1", "CFGV-06", "CHK-05d", "CHK-07c", "CHK-09e"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if !context.manifest.env.is_production() {
        return not_run(format!("{} is not production", context.manifest.env));
    }
    let wrong = context
        .variables()
        .filter(|(_, name, _)| name.contains("CORS") || *name == "ALLOWED_ORIGINS")
        .filter(|(_, _, value)| is_open(value))
        .map(|(service, name, value)| format!("[service.{service}]: {name} = \"{value}\""));
    let origins = context.manifest.routes.iter().flat_map(|route| &route.cors).flat_map(|cors| &cors.origins);
    let open = origins
        .filter(|origin| is_open(origin))
        .map(|origin| format!("[route.cors]: origins has \"{origin}\""));
    let wrong = wrong.chain(open).collect();
    let explain = Explain::new("cors-open", "CORS lets in a developer's machine, or everybody")
        .help("name the origins of production, like `https://chat.example.com`");
    found_if(wrong, explain, "neither a variable of CORS nor a route names localhost or `*`")
}

fn is_open(value: &str) -> bool {
    value.contains("localhost") || value.contains("127.0.0.1") || value.trim() == "*"
}
