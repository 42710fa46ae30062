//! Production does not run in debug mode.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "debug-flags",
    title: "production does not run in debug mode",
    severity: Severity::Error,
    sources: &["SEC-08", "CFGV-07"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if !context.manifest.env.is_production() {
        return not_run(format!("{} is not production", context.manifest.env));
    }
    let wrong = context
        .variables()
        .filter(|(_, name, value)| debugs(name, value))
        .map(|(service, name, value)| format!("[service.{service}]: {name} = \"{value}\""))
        .chain(context.manifest.programs().flat_map(|program| {
            let flag = program
                .command
                .iter()
                .find(|word| ["--reload", "--debug", "--inspect", "runserver"].contains(&word.as_str()));
            flag.map(|flag| format!("[service.{}]: `{flag}` in its command", program.service))
        }))
        .collect();
    let explain = Explain::new("debug-in-production", "production would run in debug mode")
        .help("debug modes show internals to strangers: set it under [environment.staging] alone");
    found_if(wrong, explain, "no variable and no flag of a debug mode")
}

pub(super) fn debugs(name: &str, value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let on = ["1", "true", "yes", "on", "*"].contains(&value.as_str());
    match name {
        "DEBUG" | "FLASK_DEBUG" | "DJANGO_DEBUG" | "APP_DEBUG" | "REACT_APP_DEBUG" => on,
        "LOG_LEVEL" | "RUST_LOG" => value == "debug" || value == "trace",
        "FLASK_ENV" | "RAILS_ENV" | "APP_ENV" | "ENVIRONMENT" => value == "development",
        _ => false,
    }
}
