//! The assistant's pages where they are used otherwise than on a quick screen with everything on: magnified, in forced
//! colours, without motion, without script, with a console open, by voice, by a screen reader.

use testkit::registry;

use crate::{assistant::serving_assistant, browser::invited, script};

/// How many pages the assistant has for people of this kind.
pub(crate) fn count(kind: &str) -> usize {
    let list = include_str!("../../../crates/assistant/pages.json");
    let list: serde_json::Value = serde_json::from_str(list).expect("a list");
    list.as_array().expect("a list").iter().filter(|page| page["for"] == kind).count()
}

/// Steps that the script prints; fewer means that it ended early.
const STEPS: usize = 10;

#[test]
fn pages_serve_whoever_sees_hears_moves_or_connects_otherwise() {
    let tools = registry::node("browser", &["playwright-core@1.65.1", "axe-core@4.14.1"]);
    let (mainstay, folder, _) = serving_assistant();
    let site = format!("http://{}", mainstay.http());
    let link = invited(&mainstay, &folder);
    script::run("pages.mjs", &tools, &[&site, "ana", "correct-horse", &link], STEPS);
}
