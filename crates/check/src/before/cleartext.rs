//! Databases, caches and directories on other machines are spoken to by TLS.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "cleartext",
    title: "nothing speaks in the clear to other machines",
    severity: Severity::Warning,
    sources: &["W-F9", "W-F10", "SEC-07", "CFG-04", "CFG-06"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let secrets = context.secret_values().into_iter().map(|(name, value)| (name, value.reveal()));
    let plain = context.variables().map(|(_, name, value)| (name, value));
    let mut wrong: Vec<String> = plain
        .chain(secrets)
        .filter_map(|(name, value)| Some(format!("{name} {}", problem(value)?)))
        .collect();
    wrong.sort();
    wrong.dedup();
    let explain =
        Explain::new("cleartext", "an address of another machine is used without authenticated TLS")
            .help("postgres: `sslmode=verify-full`; redis: `rediss://`; LDAP: `ldaps://`");
    let unseen = matches!(context.secrets_unseen(), Some(State::NotRun { .. }));
    found_if(
        wrong,
        explain,
        if unseen { "no such variable; secrets were not looked at" } else { "no such address" },
    )
}

/// What is wrong with an address; never the address, which may hold a password.
pub(super) fn problem(value: &str) -> Option<&'static str> {
    let (scheme, rest) = value.split_once("://")?;
    let host = rest.split('/').next()?.rsplit('@').next()?.to_ascii_lowercase();
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let local = ["localhost", "127.0.0.1", "[::1]", ""].contains(&name) || name.starts_with('/');
    if local {
        return None;
    }
    match scheme {
        "redis" => Some("is redis:// to another machine"),
        "ldap" => Some("is ldap:// to another machine"),
        "postgres" | "postgresql" => {
            let mode =
                rest.split_once("sslmode=").map(|(_, mode)| mode.split('&').next().unwrap_or_default());
            match mode {
                Some("verify-full" | "verify-ca") => None,
                Some("require") => Some("has sslmode=require, which does not check who the server is"),
                _ => Some("has no sslmode=verify-full"),
            }
        }
        _ => None,
    }
}
