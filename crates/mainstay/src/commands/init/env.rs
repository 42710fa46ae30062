//! Variables of another tool: into the manifest, named as a secret, or left out with the reason.

use std::ops::RangeInclusive;

use super::{GuessedService, account::Scribe, tree::brief};
use crate::config::manifest;

const SECRET_WORDS: [&str; 13] = [
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "TOKEN",
    "API_KEY",
    "ACCESS_KEY",
    "MASTER_KEY",
    "PRIVATE_KEY",
    "CREDENTIALS",
    "DATABASE_URL",
    "REDIS_URL",
    "ENCRYPTION_KEY",
    "_DSN",
];

/// What becomes of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Env,
    Secret,
    /// Nowhere, and why.
    Nowhere(&'static str),
}

/// A name that says so.
pub(super) fn looks_secret(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.starts_with("NEXT_PUBLIC_")
}

/// An address with a password in it: `amqp://user:pass@host`.
fn holds_password(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    authority.and_then(|all| all.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}

/// `None` for a value that the file does not know.
pub(super) fn place(name: &str, value: Option<&str>) -> Place {
    if name == "PORT" {
        return Place::Nowhere("Mainstay sets PORT, another one for each instance");
    }
    match manifest::variable(name) {
        manifest::Variable::Ours => return Place::Nowhere("Mainstay sets it"),
        manifest::Variable::NoName => return Place::Nowhere("no name of an environment variable"),
        manifest::Variable::Free => {}
    }
    match value {
        _ if looks_secret(name) => Place::Secret,
        None => Place::Secret,
        Some(value) if holds_password(value) => Place::Secret,
        Some(value)
            if !manifest::is_plain(value) || value.contains("{port}") || value.contains("{socket}") =>
        {
            Place::Nowhere("a word in braces would be taken for a placeholder")
        }
        Some(_) => Place::Env,
    }
}

/// Gives a service a variable, and says what became of it. The last of a name counts.
pub(super) fn take(
    scribe: &mut Scribe<'_>,
    service: &mut GuessedService,
    lines: RangeInclusive<usize>,
    what: &str,
    (name, value): (&str, Option<&str>),
) {
    let what = format!("{what}.{name}");
    if name == "PORT"
        && let Some(port) = value.and_then(|value| value.parse().ok())
        && !service.ports.contains(&port)
    {
        service.ports.push(port);
    }
    service.env.retain(|(known, _)| known != name);
    service.env_secrets.retain(|known| known != name);
    match (place(name, value), value) {
        (Place::Env, Some(value)) => {
            service.env.push((name.to_owned(), value.to_owned()));
            scribe.took(lines, what, format!("env {name} = {}", brief(value)));
        }
        (Place::Nowhere(why), _) => scribe.left(lines, what, why),
        (_, Some(_)) => {
            service.env_secrets.push(name.to_owned());
            scribe.took(lines, what, format!("looks like a secret, named in env_secrets without its value: `mainstay secrets set {name}`"));
        }
        (_, None) => {
            service.env_secrets.push(name.to_owned());
            scribe.took(
                lines,
                what,
                format!("its value stands elsewhere, named in env_secrets: `mainstay secrets set {name}`"),
            );
        }
    }
}
