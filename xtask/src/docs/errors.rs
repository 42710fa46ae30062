//! `docs/reference/errors.md`: every code that an error can have, what it says, and which file says it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{cell, helpers::Helper, literal, product};
use crate::lint::Sources;

/// What begins an error of a code.
const BEGINNINGS: [&str; 2] = ["Explain::new(", "Problem::new("];

/// One error, as far as its text stands in the source.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    code: String,
    says: String,
    help: String,
}

pub(super) fn page(sources: &Sources) -> String {
    let mut all = BTreeMap::<Said, BTreeSet<String>>::new();
    let mut helpers = BTreeMap::<&str, Vec<Helper>>::new();
    for (path, text) in product(sources) {
        helpers.entry(room(path)).or_default().extend(Helper::all(text));
    }
    for (path, text) in product(sources) {
        let closures: Vec<_> = Helper::closures(text).collect();
        let all_helpers = helpers.get(room(path)).into_iter().flatten().chain(&closures);
        let calls = all_helpers.flat_map(|helper| helper.calls(text));
        let by_helpers =
            calls.map(|(code, says, rest)| Said { code, says, help: help(rest).unwrap_or_default() });
        for said in found(text).into_iter().chain(by_helpers) {
            let file = path.trim_start_matches("crates/").replace("/src/", "/");
            all.entry(said).or_default().insert(file);
        }
    }
    let mut page = String::from(
        "# Error codes\n\nMade by `cargo xtask docs`; do not edit. The code stands in brackets at the end of an error, \
         and as `code` in JSON. `{…}` stands for\nwhat differs. An error also says its causes and what is true now; \
         [troubleshooting](../guide/troubleshooting.md) has the frequent ones.\nIds of findings are not here: \
         `mainstay check` lists them.\n\n| code | says | help | said by |\n|---|---|---|---|\n",
    );
    for (Said { code, says, help }, files) in &all {
        let files: Vec<_> = files.iter().map(|file| format!("`{file}`")).collect();
        let _ = writeln!(page, "| `{code}` | {} | {} | {} |", cell(says), cell(help), files.join(" "));
    }
    page
}

/// `crates/<room>`: a helper is known in its own.
fn room(path: &str) -> &str {
    path.split_once("/src/").map_or(path, |(room, _)| room)
}

/// The errors of one file.
fn found(text: &str) -> Vec<Said> {
    let mut found = Vec::new();
    for beginning in BEGINNINGS {
        for piece in text.split(beginning).skip(1) {
            let Some((code, rest)) = literal(piece) else { continue };
            let help = help(rest).unwrap_or_default();
            found.push(Said { code, says: sentence(rest).unwrap_or_default(), help });
        }
    }
    // A key that has no place where it stands.
    for piece in text.split(".refuse(").skip(1) {
        let after_key = piece.split_once(',').map_or("", |(_, rest)| rest);
        let Some((code, rest)) = literal(after_key) else { continue };
        let Some((why, rest)) = rest.strip_prefix(',').and_then(literal) else { continue };
        let help = rest.strip_prefix(',').and_then(literal).map(|(help, _)| help).unwrap_or_default();
        found.push(Said { code, says: format!("`{{key}}` {why}"), help });
    }
    // A value of the wrong form: the code stands beside the key.
    for piece in text.split(".parsed").skip(1) {
        let Some((_, arguments)) = piece.split_once('(') else { continue };
        let Some((code, wanted)) = arguments.split_once(',').and_then(|(_, rest)| literal(rest)) else {
            continue;
        };
        let wanted = wanted.strip_prefix(',').and_then(literal).map(|(wanted, _)| wanted).unwrap_or_default();
        found.push(Said { code, says: format!("a value is not {wanted}"), help: String::new() });
    }
    found
}

/// The help that follows in the same statement.
fn help(after_code: &str) -> Option<String> {
    let statement = after_code.split(";\n").next()?;
    let statement = BEGINNINGS
        .iter()
        .filter_map(|beginning| statement.split(beginning).next())
        .min_by_key(|s| s.len())?;
    let (_, help) = statement.split_once(".help(")?;
    let help = help.trim_start();
    literal(help.strip_prefix("format!(").unwrap_or(help)).map(|(help, _)| help)
}

/// The second argument, or the third (a problem has its place between), where it is a literal or `format!`.
pub(super) fn sentence(after_code: &str) -> Option<String> {
    let mut rest = after_code.strip_prefix(',')?.trim_start();
    for _ in 0..2 {
        let text = rest.strip_prefix("format!(").unwrap_or(rest);
        if let Some((says, _)) = literal(text) {
            return Some(says);
        }
        rest = rest.split_once(',')?.1.trim_start();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_with_sentence_and_help() {
        let text = "Explain::new(\n \"disk-space\", \"too little\")\n.help(\"free some\");\nProblem::new(\"bad-host\", text.span, format!(\"`{}` is none\", x));\ny.help(\"of another\"); x.parsed::<T>(\"k\", \"bad-unit\", \"a size\");\nx.refuse(key, \"bad-place\", \"has no place\", \"take it out\")";
        let found = found(text);
        let of = |at: usize| (found[at].code.as_str(), found[at].says.as_str(), found[at].help.as_str());
        assert_eq!(of(0), ("disk-space", "too little", "free some"));
        assert_eq!(of(1), ("bad-host", "`{}` is none", ""));
        assert_eq!(of(2), ("bad-place", "`{key}` has no place", "take it out"));
        assert_eq!(of(3), ("bad-unit", "a value is not a size", ""));
    }
}
