//! The documentation says what the program does: the page of the command line, the keys of both files, the examples.
//!
//! With `MAINSTAY_WRITE_REFERENCE` set (`cargo xtask docs` does) the page of the command line is written instead of compared.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use mainstay::{
    cli,
    config::{folders::Folders, machine, manifest},
};
use model::EnvName;

const WRITE: &str = "MAINSTAY_WRITE_REFERENCE";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn command(page: &mut String, name: &str, command: &clap::Command) {
    let mut alone = command.clone().bin_name(name).term_width(100);
    // What all commands take stands once, at the top.
    if name != "mainstay" {
        let globals = ["data", "host", "env", "app", "json", "color", "verbose"];
        for id in globals.into_iter().filter(|id| command.get_arguments().any(|known| known.get_id() == *id))
        {
            alone = alone.mut_arg(id, |argument| argument.hide(true));
        }
    }
    let help = alone.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        self::command(page, &format!("{name} {}", below.get_name()), below);
    }
}

#[test]
fn the_page_of_the_command_line_is_what_help_says() {
    let mut definition = cli::definition();
    definition.build();
    let mut page = String::from(
        "# The command line\n\nMade by `cargo xtask docs` from the program's own help; do not edit. The global options \
         of the first section hold for every command.\n",
    );
    command(&mut page, "mainstay", &definition);
    let path = root().join("docs/reference/cli.md");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == page, "cli.md is stale: run cargo xtask docs");
}

/// Blocks of a page between a line that begins with `fence` and the next fence.
fn blocks(page: &str, fence: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            blocks.push(
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect(),
            );
        }
    }
    blocks
}

fn pages() -> Vec<(PathBuf, String)> {
    let read = |entry: fs::DirEntry| (entry.path(), fs::read_to_string(entry.path()).unwrap());
    ["docs/guide", "docs/reference"]
        .iter()
        .flat_map(|dir| fs::read_dir(root().join(dir)).unwrap())
        .map(|entry| read(entry.unwrap()))
        .collect()
}

#[test]
fn every_manifest_and_machine_file_of_the_documentation_is_understood() {
    let (mut manifests, mut machines) = (0, 0);
    for (path, page) in pages() {
        let name = path.display().to_string();
        for text in blocks(&page, "```toml manifest") {
            for env in ["production", "staging"] {
                let env: EnvName = env.parse().unwrap();
                if let Err(errors) = manifest::parse(&text, &name, &env) {
                    panic!("{name}: {:?}", errors.problems);
                }
            }
            manifests += 1;
        }
        for text in blocks(&page, "```toml machine") {
            if let Err(errors) = machine::parse(&text, &name, &Folders::service()) {
                panic!("{name}: {:?}", errors.problems);
            }
            machines += 1;
        }
    }
    assert!(manifests >= 5, "only {manifests} manifests were found");
    assert!(machines >= 1, "no machine.toml was found");
}

/// Keys that the readers below `dir` ask a table for.
fn keys(sources: &[PathBuf]) -> Vec<String> {
    const ASKS: [&str; 13] = [
        "string(",
        "strings(",
        "boolean(",
        "integer(",
        "number(",
        "duration(",
        "size(",
        "one_of(",
        "table(",
        "tables(",
        "named_tables(",
        "text_map(",
        "positive(probe,",
    ];
    const ALSO: [&str; 10] = [
        "command(section,",
        "request_path(section,",
        "request_path(probe,",
        "threshold(probe,",
        "networks(section,",
        "networks(top,",
        "methods(section,",
        "tokens(section,",
        "lines(section,",
        "removed(section,",
    ];
    let mut keys = Vec::new();
    for path in sources {
        let text = fs::read_to_string(path).unwrap();
        for ask in ASKS.iter().chain(&ALSO) {
            for piece in text.split(ask).skip(1) {
                let Some(rest) = piece.trim_start().strip_prefix('"') else { continue };
                keys.extend(rest.split('"').next().map(str::to_owned));
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn files_of(room: &str) -> Vec<PathBuf> {
    let config = root().join("crates/mainstay/src/config");
    let below = fs::read_dir(config.join(room)).unwrap().map(|entry| entry.unwrap().path());
    let code = |path: &PathBuf| path.is_file() && !path.ends_with("tests.rs");
    below.filter(code).chain([config.join(format!("{room}.rs"))]).collect()
}

#[test]
fn every_key_that_is_read_is_shown_with_its_value() {
    let full = |room: &str| {
        let path = format!("crates/mainstay/src/config/{room}/testdata/full.toml");
        fs::read_to_string(root().join(path)).unwrap()
    };
    let env = EnvName::production();
    let text = full("manifest");
    let shown = manifest::parse(&text, "m", &env).map(|(read, _)| manifest::render(&read, "", None)).unwrap();
    is_shown("manifest", &shown);
    let folders = Folders::service();
    let text = full("machine");
    let shown =
        machine::parse(&text, "m", &folders).map(|read| machine::render(&read, &folders, "", None)).unwrap();
    is_shown("machine", &shown);
}

/// A key is shown as `key = …`, as a table, or as a comment that says what its absence means.
fn is_shown(room: &str, shown: &str) {
    // The two files of the tests name one source each; a preset and a profile are shown as what they stand for.
    const OTHERS: [(&str, &str); 4] =
        [("manifest", "dir"), ("machine", "env"), ("manifest", "preset"), ("manifest", "profile")];
    let has = |key: &String| {
        let forms = [format!("\n{key} = "), format!("\n# {key}: "), format!("[{key}]"), format!("[{key}.")];
        let inner = [format!(".{key}]"), format!(".{key}.")];
        forms.iter().chain(&inner).any(|form| shown.contains(form))
    };
    let read = keys(&files_of(room));
    let lost: Vec<_> =
        read.iter().filter(|key| !has(key) && !OTHERS.contains(&(room, key.as_str()))).collect();
    assert!(lost.is_empty(), "`config show` loses {lost:?}:\n{shown}");
}

#[test]
fn every_key_that_is_read_stands_in_the_reference() {
    for (room, at_least) in [("manifest", 50), ("machine", 25)] {
        let keys = keys(&files_of(room));
        assert!(keys.len() >= at_least, "only {} keys of {room} were found", keys.len());
        let page = fs::read_to_string(root().join(format!("docs/reference/{room}.md"))).unwrap();
        let missing: Vec<_> = keys.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{room}.md does not name {missing:?}");
    }
}
