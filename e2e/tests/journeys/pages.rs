//! The assistant's pages where they are used otherwise than on a quick screen with everything on: magnified, in forced
//! colours, without motion, without script, by voice, by a screen reader.

use std::process::Command;

use testkit::registry;

use crate::assistant::serving_assistant;

const CHROMIUM: &str = "/usr/bin/chromium";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/journeys/pages.mjs");
/// Steps that the script prints; fewer means that it ended early.
const STEPS: usize = 8;

#[test]
fn pages_serve_whoever_sees_hears_moves_or_connects_otherwise() {
    let tools = registry::node("browser", &["playwright-core@1.65.1", "axe-core@4.14.1"]);
    let (mainstay, ..) = serving_assistant();
    let site = format!("http://{}", mainstay.http());
    let mut node = Command::new("node");
    let node = node.arg(SCRIPT).arg(&tools).args([&site, "ana", "correct-horse", CHROMIUM]);
    let seen = node.output().expect("node was installed");
    let said = String::from_utf8_lossy(&seen.stdout);
    println!("{said}");
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), STEPS);
}
