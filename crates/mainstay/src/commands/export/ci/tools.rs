//! What builds, tests and audits an app, by the files that lie in its folder.

use std::path::Path;

/// Commands in sh.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) build: String,
    pub(super) test: String,
    pub(super) audit: String,
}

/// (a file, build, test, audit). The first that is there counts.
const KNOWN: [(&str, &str, &str, &str); 5] = [
    (
        "package-lock.json",
        "npm ci && npm run build --if-present",
        "npm test --if-present",
        "npm audit --omit=dev --audit-level=high",
    ),
    (
        "package.json",
        "npm install && npm run build --if-present",
        "npm test --if-present",
        "npm audit --omit=dev --audit-level=high",
    ),
    ("Cargo.toml", "cargo build --locked --release", "cargo test --locked", "cargo audit"),
    (
        "requirements.txt",
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
        ".venv/bin/python -m pytest",
        "python3 -m venv /tmp/audit && /tmp/audit/bin/pip install -q pip-audit && /tmp/audit/bin/pip-audit -r requirements.txt",
    ),
    (
        "pyproject.toml",
        "python3 -m venv .venv && .venv/bin/pip install .",
        ".venv/bin/python -m pytest",
        "python3 -m venv /tmp/audit && /tmp/audit/bin/pip install -q pip-audit && /tmp/audit/bin/pip-audit .",
    ),
];

pub(super) fn of(folder: &Path) -> Tools {
    let known = KNOWN.iter().find(|(file, ..)| folder.join(file).is_file());
    let of = |words: &str| words.to_owned();
    // What is not known is said when it is run: a pipeline that tests nothing and is green would lie.
    let unknown = |what: &str| {
        format!("echo 'say what {what} the app: `mainstay export ci --{what} COMMAND --force`' >&2; exit 1")
    };
    match known {
        Some((_, build, test, audit)) => Tools { build: of(build), test: of(test), audit: of(audit) },
        None => Tools { build: of("true"), test: unknown("test"), audit: of("true") },
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn an_app_of_an_unknown_kind_is_not_green_without_a_test() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of(folder.path()).test.ends_with("exit 1"));
        std::fs::write(folder.path().join("requirements.txt"), "").unwrap();
        assert!(of(folder.path()).build.contains("pip install -r"));
        std::fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
        assert!(of(folder.path()).build.starts_with("npm ci"));
    }
}
