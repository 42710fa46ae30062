//! `docs/reference/errors.md`: every code that an error can have, what it says, and which file says it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{cell, literal, product};
use crate::lint::Sources;

/// What begins an error of a code.
const BEGINNINGS: [&str; 2] = ["Explain::new(", "Problem::new("];

#[derive(Default)]
struct Code {
    says: BTreeSet<String>,
    files: BTreeSet<String>,
}

pub(super) fn page(sources: &Sources) -> String {
    let mut codes = BTreeMap::<String, Code>::new();
    for (path, text) in product(sources) {
        for (code, says) in found(text) {
            let entry = codes.entry(code).or_default();
            entry.says.extend(says);
            entry.files.insert(path.trim_start_matches("crates/").replace("/src/", "/"));
        }
    }
    let mut page = String::from(
        "# Error codes\n\nMade by `cargo xtask docs`; do not edit. The code stands in brackets at the end of an error, \
         and as `code` in JSON. `{…}` stands for\nwhat differs. An error also says its causes, what is true now, and \
         what to do; [troubleshooting](../guide/troubleshooting.md) has the\nfrequent ones. Ids of findings \
         (`mainstay check`) are not here: `mainstay check` lists them.\n\n| code | says | said by |\n|---|---|---|\n",
    );
    for (code, entry) in &codes {
        let says: Vec<_> = entry.says.iter().map(|text| cell(text)).collect();
        let files: Vec<_> = entry.files.iter().map(|file| format!("`{file}`")).collect();
        let _ = writeln!(page, "| `{code}` | {} | {} |", says.join("<br>"), files.join(" "));
    }
    page
}

/// Codes of one file, each with its sentence where that stands there as a literal.
fn found(text: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for beginning in BEGINNINGS {
        for piece in text.split(beginning).skip(1) {
            let Some((code, rest)) = literal(piece) else { continue };
            found.push((code, sentence(rest)));
        }
    }
    // A value of the wrong form: the code stands beside the key.
    for piece in text.split(".parsed").skip(1) {
        let Some(arguments) = piece.split_once('(').map(|(_, arguments)| arguments) else { continue };
        let code = arguments.split_once(',').and_then(|(_, rest)| literal(rest));
        found.extend(
            code.map(|(code, _)| (code, Some("a value is not of the form that its key wants".to_owned()))),
        );
    }
    found
}

/// The second argument, or the third (a problem has its place between), where it is a literal or `format!`.
fn sentence(after_code: &str) -> Option<String> {
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
    fn codes_are_found_with_their_sentences() {
        let text = "Explain::new(\n \"disk-space\", \"too little\")\nProblem::new(\"bad-host\", text.span, format!(\"`{}` is none\", x))\nx.parsed::<T>(\"k\", \"bad-unit\", \"\")";
        let found: Vec<_> =
            found(text).into_iter().map(|(code, says)| (code, says.unwrap_or_default())).collect();
        let says = |at: usize| (found[at].0.as_str(), found[at].1.as_str());
        assert_eq!(says(0), ("disk-space", "too little"));
        assert_eq!(says(1), ("bad-host", "`{}` is none"));
        assert_eq!(says(2).0, "bad-unit");
    }
}
