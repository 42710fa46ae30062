//! The assistant's pages as Lighthouse judges them on a slow phone: at least 0.95 in each of its four categories.

use std::process::Command;

use testkit::registry;

use crate::assistant::serving_assistant;

const CHROMIUM: &str = "/usr/bin/chromium";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/journeys/lighthouse.mjs");
/// Pages that the script prints; fewer means that it ended early.
const PAGES: usize = 8;

#[test]
fn every_page_is_fast_accessible_and_well_made_by_lighthouse() {
    let tools = registry::node("lighthouse", &["playwright-core@1.65.1", "lighthouse@12.8.2"]);
    let (mainstay, ..) = serving_assistant();
    let site = format!("http://{}", mainstay.http());
    let mut node = Command::new("node");
    let node = node.arg(SCRIPT).arg(&tools).args([&site, "ana", "correct-horse", CHROMIUM]);
    let seen = node.output().expect("node was installed");
    let said = String::from_utf8_lossy(&seen.stdout);
    println!("{said}");
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), PAGES);
}
