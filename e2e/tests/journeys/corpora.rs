//! The assistant's reader of dates beside chrono-node, the library that people would take for it: both run over the same
//! sentences and titles, in the same minutes.

use std::{env, process::Command};

use serde_json::Value;
use testkit::{binaries, registry};

const CHRONO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/assistant/corpora/chrono.mjs");

/// A line of JSON for each file of the corpora, as the two readers print them.
struct Figures(Vec<Value>);

impl Figures {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command:?}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        // The test harness begins lines of its own before ours.
        let lines = said.lines().filter_map(|line| line.find("{\"file\"").map(|at| &line[at..]));
        Self(lines.map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }

    fn get(&self, file: &str, what: &str) -> u64 {
        let found = self.0.iter().find(|figures| figures["file"] == file);
        found
            .and_then(|figures| figures[what].as_u64())
            .unwrap_or_else(|| panic!("no {what} of {file}: {:?}", self.0))
    }
}

/// The assistant is a program and no library: its tests print the counts.
fn ours() -> Figures {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "test",
        "--quiet",
        "--locked",
        "-p",
        "assistant",
        "--bin",
        "assistant",
        "when::corpora::the_corpora",
    ]);
    cargo.args(["--", "--nocapture", "--test-threads=1"]).env("CARGO_TARGET_DIR", binaries::target());
    Figures::of(cargo.current_dir(env!("CARGO_MANIFEST_DIR")))
}

fn chrono() -> Figures {
    let tools = registry::node("chrono", &["chrono-node@2.10.3"]);
    Figures::of(Command::new("node").arg(CHRONO).arg(tools.join("node_modules/chrono-node")))
}

#[test]
fn dates_are_read_better_than_by_chrono_node() {
    let (ours, theirs) = (ours(), chrono());
    println!("{:<22} {:>6} {:>16} {:>16}", "", "cases", "assistant", "chrono-node");
    for (file, what) in [
        ("sentences.open.jsonl", "hits"),
        ("sentences.open.jsonl", "wrong"),
        ("sentences.held.jsonl", "hits"),
        ("sentences.held.jsonl", "wrong"),
        ("titles.open.jsonl", "found"),
        ("titles.held.jsonl", "found"),
    ] {
        let (one, other) = (ours.get(file, what), theirs.get(file, what));
        println!("{file:<22} {:>6} {one:>10} {what:<5} {other:>10} {what:<5}", ours.get(file, "cases"));
        assert_eq!(ours.get(file, "cases"), theirs.get(file, "cases"), "{file}: not the same cases");
        match what {
            "hits" => assert!(one >= other, "{file}: {one} {what}, chrono-node {other}"),
            _ => assert!(one <= other, "{file}: {one} {what}, chrono-node {other}"),
        }
    }
    assert_eq!(ours.get("sentences.open.jsonl", "wrong"), 0, "a date was taken that is another");
    assert_eq!(ours.get("titles.open.jsonl", "found"), 0, "a title holds no date");
}
