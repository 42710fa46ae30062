//! The assistant's pages where they are used otherwise than on a quick screen with everything on: magnified, in forced
//! colours, without motion, without script, by voice, by a screen reader.

use testkit::registry;

use crate::{assistant::serving_assistant, script};

/// Steps that the script prints; fewer means that it ended early.
const STEPS: usize = 8;

#[test]
fn pages_serve_whoever_sees_hears_moves_or_connects_otherwise() {
    let tools = registry::node("browser", &["playwright-core@1.65.1", "axe-core@4.14.1"]);
    let (mainstay, ..) = serving_assistant();
    let site = format!("http://{}", mainstay.http());
    script::run("pages.mjs", &tools, &[&site, "ana", "correct-horse"], STEPS);
}
