//! Scripts that drive chromium: each prints a line `ok …` for every step that held.

use std::{path::Path, process::Command};

pub(crate) const CHROMIUM: &str = "/usr/bin/chromium";

/// Runs the script of this name with `arguments` and chromium behind its tools. Fewer than `steps` lines mean that it ended
/// early.
pub(crate) fn run(name: &str, tools: &Path, arguments: &[&str], steps: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journeys").join(name);
    let mut node = Command::new("node");
    let node = node.arg(script).arg(tools).args(arguments).arg(CHROMIUM);
    let seen = node.output().expect("node was installed");
    let said = String::from_utf8_lossy(&seen.stdout);
    println!("{said}");
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), steps);
}
