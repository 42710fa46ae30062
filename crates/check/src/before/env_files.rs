//! No file of secrets travels inside a release.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "env-files",
    title: "no file of secrets travels inside a release",
    severity: Severity::Warning,
    sources: &["CHK-09b", "CFG-15", "W-F8", "W-D6"],
    run,
};

/// Bound: a list of names is shorter.
const IGNORE_BYTES_MAX: usize = 1 << 20;

fn run(context: &Context<'_>) -> State {
    let Some(dir) = context.release_dir() else {
        return not_run("the archive is only opened on the machine that it is deployed to");
    };
    // One that cannot be read keeps nothing back; the deploy refuses it.
    let ignored = machine::fs::read_text(&dir.join(".mainstayignore"), IGNORE_BYTES_MAX).unwrap_or_default();
    let travels = |name: &str| {
        !ignored
            .lines()
            .map(|line| line.trim().trim_start_matches('/'))
            .any(|line| line == name || line == ".env*")
    };
    let names = ["", ".local", ".production", ".production.local", ".prod", ".staging"]
        .map(|end| format!(".env{end}"));
    let there = names.into_iter().filter(|name| dir.join(name).is_file() && travels(name)).collect();
    let explain = Explain::new("env-file-in-release", "a release would hold files of secrets").help(
        "name them in .mainstayignore; name the secrets in `env_secrets` and put their values where machine.toml says",
    );
    found_if(there, explain, "none at the top of the folder")
}
