//! No secret is a placeholder that somebody forgot to replace.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, count, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "placeholder-secrets",
    title: "no secret is a placeholder",
    severity: Severity::Error,
    sources: &["W-F2", "CFGV-03", "CFGV-05", "CHK-05c"],
    run,
};

/// What examples write where a secret belongs. Compared in lower case, `-` and ` ` as `_`.
const STARTS: [&str; 10] = [
    "your_",
    "my_secret",
    "change_me",
    "changeme",
    "replace_",
    "insert_",
    "enter_",
    "todo",
    "example",
    "placeholder",
];
const PARTS: [&str; 6] = ["_here", "changeme", "change_me", "your_secret", "<your", "xxxxxx"];
const WHOLE: [&str; 12] = [
    "secret",
    "password",
    "passwd",
    "admin",
    "test",
    "dev",
    "default",
    "none",
    "null",
    "undefined",
    "12345678",
    "123456",
];

fn run(context: &Context<'_>) -> State {
    if let Some(state) = context.secrets_unseen() {
        return state;
    }
    let values = context.secret_values();
    let wrong: Vec<String> = values
        .iter()
        .filter(|(_, value)| is_placeholder(value.reveal()))
        .map(|(name, _)| format!("{name} holds a placeholder"))
        .collect();
    let explain = Explain::new("placeholder-secret", "secrets were never replaced by real ones")
        .help("make one with `openssl rand -base64 48`, or get the real one from its vendor");
    found_if(wrong, explain, count(values.len(), "value"))
}

/// A text that nobody would make as a secret.
pub(super) fn is_placeholder(value: &str) -> bool {
    let plain = value.trim().to_lowercase().replace(['-', ' '], "_");
    let first = plain.chars().next();
    let repeated = plain.len() >= 4 && plain.chars().all(|c| Some(c) == first);
    let angled =
        (plain.starts_with('<') && plain.ends_with('>')) || (plain.starts_with("${") && plain.ends_with('}'));
    repeated
        || angled
        || STARTS.iter().any(|start| plain.starts_with(start))
        || PARTS.iter().any(|part| plain.contains(part))
        || WHOLE.contains(&plain.as_str())
}
