//! Instances listen on loopback: the edge is what strangers reach.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "public-bind",
    title: "no instance listens on all addresses",
    severity: Severity::Warning,
    sources: &["CFG-02", "SEC-01", "W-C12"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let everywhere = |text: &str| {
        ["0.0.0.0", "[::]"].iter().any(|address| text.contains(address))
            || text == "::"
            || text.ends_with("=::")
    };
    let services = context.manifest.services.iter();
    let wrong = services
        .flat_map(|(name, service)| {
            let words =
                service.command.iter().filter(|word| everywhere(word)).map(|word| format!("`{word}`"));
            let env = service
                .env
                .iter()
                .filter(|(_, value)| everywhere(value))
                .map(|(key, value)| format!("{key} = \"{value}\""));
            let allowed = service.allow_public_bind.then(|| "`allow_public_bind = true`".to_owned());
            words
                .chain(env)
                .chain(allowed)
                .map(move |what| format!("[service.{name}]: {what}"))
                .collect::<Vec<_>>()
        })
        .collect();
    let explain = Explain::new("public-bind", "an instance would be reachable past the edge")
        .help("use `{host}` or HOST, which is 127.0.0.1; production refuses an instance that listens on all addresses");
    found_if(wrong, explain, "no command and no variable names 0.0.0.0 or ::")
}
