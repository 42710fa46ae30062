//! The assistant as a person meets it: chromium behind the edge, a keyboard, a phone's width, light and dark.

use std::{fs, path::Path};

use testkit::{Mainstay, binaries, registry};

use crate::{
    assistant::{MANIFEST, place_secrets},
    script,
};

/// Steps that the script prints; fewer means that it ended early.
const STEPS: usize = 33;

/// The path of the one link in what was said.
fn link(said: &str) -> String {
    let links: Vec<&str> = said.split("/welcome/").skip(1).collect();
    let [link] = links.as_slice() else { panic!("not one link in {said}") };
    format!("/welcome/{}", link.chars().take_while(char::is_ascii_hexdigit).collect::<String>())
}

/// The path of a link by which one more person comes to the assistant that was deployed from `folder`.
pub(crate) fn invited(mainstay: &Mainstay, folder: &Path) -> String {
    let data = mainstay.data().display().to_string();
    // `--data` is put last for every command, where it would be the assistant's: the shell drops it.
    let invite = ["run", "--data", &data, "--service", "web", "--", "/bin/sh", "-c", "./assistant user link"];
    link(&mainstay.cli_in(folder, &invite).expect_code(0).out)
}

#[test]
fn a_person_with_a_browser_and_a_keyboard_gets_in_and_gets_things_done() {
    let tools = registry::node("browser", &["playwright-core@1.65.1", "axe-core@4.14.1"]);
    let mainstay = Mainstay::start();
    let folder = mainstay.folder().join("assistant");
    fs::create_dir_all(&folder).expect("a folder");
    // Nobody in the settings: the first account comes by its link.
    let manifest = MANIFEST.replace(r#", "ASSISTANT_FIRST_USER", "ASSISTANT_FIRST_PASSWORD""#, "");
    assert_ne!(manifest, MANIFEST, "the example names the first account otherwise");
    fs::write(folder.join("mainstay.toml"), manifest).expect("the manifest");
    fs::copy(binaries::path("assistant"), folder.join("assistant")).expect("it was built");
    place_secrets(&mainstay, "");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    // A second release, whose web must neither print another link nor end the first.
    fs::write(folder.join("RELEASE"), "2").expect("written");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);

    let site = format!("http://{}", mainstay.http());
    let first = link(&mainstay.cli_in(&folder, &["logs", "web"]).expect_code(0).out);
    script::run("browser.mjs", &tools, &[&site, &first], STEPS);

    let next = invited(&mainstay, &folder);
    assert_eq!(mainstay.get("localhost", &next).expect("an answer").status, 200);
}
