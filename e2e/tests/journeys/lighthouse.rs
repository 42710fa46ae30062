//! The assistant's pages as Lighthouse judges them on a slow phone: at least 0.95 in each of its four categories.

use testkit::registry;

use crate::{assistant::serving_assistant, pages::count, script};

#[test]
fn every_page_is_fast_accessible_and_well_made_by_lighthouse() {
    let tools = registry::node("lighthouse", &["playwright-core@1.65.1", "lighthouse@12.8.2"]);
    let (mainstay, ..) = serving_assistant();
    let site = format!("http://{}", mainstay.http());
    let pages = count("strangers") + count("people");
    script::run("lighthouse.mjs", &tools, &[&site, "ana", "correct-horse"], pages);
}
