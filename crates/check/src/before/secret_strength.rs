//! Keys that sign or encrypt are long and not guessable.

use std::collections::BTreeSet;

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, count, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "secret-strength",
    title: "keys and passwords of the app are long enough",
    severity: Severity::Warning,
    sources: &["CFGV-05", "CFGV-08", "CHK-09c", "SEC-02"],
    run,
};

/// Characters that a key must have at least: with the usual alphabets more than 128 bits.
const KEY_CHARS_MIN: usize = 32;
/// Different characters in it: repeated words are long and weak.
const DISTINCT_MIN: usize = 10;
/// Endings of names that people give to keys they made themselves. A vendor's key is as long as it is.
const OWN: [&str; 8] = [
    "JWT_SECRET",
    "JWT_SECRET_KEY",
    "SESSION_SECRET",
    "NEXTAUTH_SECRET",
    "AUTH_SECRET",
    "SECRET_KEY",
    "SECRET_KEY_BASE",
    "ENCRYPTION_KEY",
];
const PASSWORDS: [&str; 3] = ["DB_PASSWORD", "DATABASE_PASSWORD", "REDIS_PASSWORD"];

fn run(context: &Context<'_>) -> State {
    if let Some(state) = context.secrets_unseen() {
        return state;
    }
    let own = |name: &str| OWN.iter().chain(&PASSWORDS).any(|end| name.ends_with(end));
    let values: Vec<_> = context.secret_values().into_iter().filter(|(name, _)| own(name)).collect();
    let wrong: Vec<String> = values
        .iter()
        .filter_map(|(name, value)| {
            let text = value.reveal();
            let (length, distinct) = (text.chars().count(), text.chars().collect::<BTreeSet<_>>().len());
            if length < KEY_CHARS_MIN {
                return Some(format!("{name} has {length} characters, not {KEY_CHARS_MIN}"));
            }
            (distinct < DISTINCT_MIN).then(|| format!("{name} has only {distinct} different characters"))
        })
        .collect();
    let explain = Explain::new("weak-secret", "keys or passwords could be guessed")
        .help("make one with `openssl rand -base64 48`; changing a signing key logs everybody out");
    found_if(wrong, explain, count(values.len(), "key"))
}
