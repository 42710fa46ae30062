//! Databases lie in shared paths: a release is replaced, with all that is in it.

use std::path::Path;

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "data-in-release",
    title: "no database lies in what a release replaces",
    severity: Severity::Error,
    sources: &["W-F13", "W-D20"],
    run,
};

/// Bound: entries that are looked at, two folders deep.
const ENTRIES_MAX: usize = 4_000;

fn run(context: &Context<'_>) -> State {
    let Some(dir) = context.release_dir() else {
        return not_run("the archive is only opened on the machine that it is deployed to");
    };
    let shared = &context.manifest.release.shared_paths;
    let is_shared = |name: &Path| shared.iter().any(|path| name.starts_with(path));
    let mut left = ENTRIES_MAX;
    let mut there = Vec::new();
    let mut open = vec![(dir.clone(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            left = left.saturating_sub(1);
            if left == 0 {
                break;
            }
            let path = entry.path();
            let Ok(name) = path.strip_prefix(&dir).map(Path::to_owned) else { continue };
            let skipped =
                [".git", "node_modules", "vendor", "target"].iter().any(|skipped| name.starts_with(skipped));
            if skipped || is_shared(&name) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < 2 => open.push((path, depth + 1)),
                Ok(kind) if kind.is_file() && is_database(&path) => there.push(name.display().to_string()),
                _ => {}
            }
        }
    }
    there.sort();
    let explain = Explain::new("data-in-release", "a database lies where each deploy starts with a fresh copy")
        .help("put its folder into `shared_paths` of [release]; keep an empty or test database out by .mainstayignore");
    found_if(there, explain, "no SQLite file outside of shared paths")
}

/// By the first bytes, as SQLite writes them: names say nothing.
fn is_database(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 16];
    let named =
        path.extension().is_some_and(|end| ["db", "sqlite", "sqlite3"].iter().any(|known| end == *known));
    named
        && std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && head.starts_with(b"SQLite format 3")
}
