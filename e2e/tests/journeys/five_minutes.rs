//! `docs/guide/five-minutes.md`: each block of the page, typed as it stands, serves an app. The server of the page is set up by the guest's
//! journeys; here its Mainstay is the one of this machine.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use testkit::Mainstay;

const PAGE: &str = include_str!("../../../docs/guide/five-minutes.md");

/// The block of the page after a fence of these words.
fn block(words: &str) -> String {
    let fence = format!("```sh {words}");
    let lines = PAGE.lines().skip_while(|line| *line != fence).skip(1);
    let text = lines.take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
    assert!(!text.is_empty(), "the page has {fence}");
    text
}

/// Two programs of the page's for a PATH. `mainstay` is this test's, and nobody waits for the two minutes in which a release bakes; `curl` finds
/// the page's names here, and bears a certificate of nobody's.
fn tools(mainstay: &Mainstay, bin: &Path) {
    let (program, data) = (mainstay.program().display(), mainstay.data().display());
    let own = format!(
        "run() {{ {program} --data {data} \"$@\"; }}
if [ \"$1\" != deploy ]; then run \"$@\"; exit; fi
run deploy --detach; [ $? = 6 ] || exit 1
for n in $(seq 600); do
  run status --json | grep -q '\"serving\":1' && exit 0
  run status --json | grep -q '\"outcome\":\"aborted\"' && {{ run attach; exit 1; }}
  sleep 0.3
done; exit 1"
    );
    let https = mainstay.https().port();
    let curl = format!("exec /usr/bin/curl -sS --fail --insecure --connect-to ::127.0.0.1:{https} \"$@\"");
    for (name, text) in [("mainstay", own), ("curl", curl)] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("own file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("own file");
    }
}

/// Types the block, in a fresh folder beside `beside`; the page's greeting is its last word.
fn serves(words: &str, beside: Option<(&str, &Path)>) {
    let mainstay = Mainstay::start();
    let folder = mainstay.folder().join("laptop");
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("own folder");
    tools(&mainstay, &bin);
    if let Some((name, from)) = beside {
        fs::copy(from, folder.join(name)).expect("it was built");
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let typed =
        Command::new("sh").args(["-ec", &block(words)]).current_dir(&folder).env("PATH", path).output();
    let typed = typed.expect("sh");
    let (out, err) = (String::from_utf8_lossy(&typed.stdout), String::from_utf8_lossy(&typed.stderr));
    let greets = out.trim_end().trim_end_matches('"').ends_with(&format!("hello from {words}"));
    let serves = typed.status.success() && (greets || beside.is_some());
    assert!(serves, "{out}\n{err}");
    let asked = mainstay.get(&format!("{words}.example.com"), "/").expect("an answer");
    assert_eq!(asked.status, 301, "plain HTTP is sent to HTTPS");
}

#[test]
fn a_node_app_as_the_page_has_it() {
    serves("node", None);
}

#[test]
fn a_python_app_as_the_page_has_it() {
    serves("python", None);
}

#[test]
fn a_rust_app_as_the_page_has_it() {
    serves("rust", None);
}

#[test]
fn a_go_app_as_the_page_has_it() {
    serves("go", None);
}

#[test]
fn a_program_as_the_page_has_it() {
    serves("binary", Some(("shop", &testkit::binaries::path("fakeapp"))));
}
