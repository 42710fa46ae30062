//! `docs/reference/metrics.md`: the metrics of the edge, read off the places that write them.

use std::{collections::BTreeMap, fmt::Write};

use super::{cell, literal, product};
use crate::lint::Sources;

pub(super) fn page(sources: &Sources) -> String {
    let mut all = BTreeMap::new();
    for (_, text) in product(sources).filter(|(path, _)| path.starts_with("crates/edge/")) {
        all.extend(found(text));
    }
    let mut page = String::from(
        "# Metrics of the edge\n\nMade by `cargo xtask docs`; do not edit. Prometheus text, from `GET /metrics` on the \
         edge's control socket in the run folder.\nNo public address serves it.\n\n| metric | type | what |\n|---|---|---|\n",
    );
    for (name, (kind, help)) in &all {
        let _ = writeln!(page, "| `{name}` | {kind} | {} |", cell(help));
    }
    page
}

/// Name to type and help: from `# HELP` in literals, and from calls of `family`.
fn found(text: &str) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    for piece in text.split("\"# HELP ").skip(1) {
        let Some((help, _)) = piece.split_once("\\n") else { continue };
        let Some((name, help)) = help.split_once(' ').filter(|(name, _)| !name.contains('{')) else {
            continue;
        };
        let kind = text.split(&format!("# TYPE {name} ")).nth(1).and_then(|rest| rest.split('\\').next());
        found.insert(name.to_owned(), (kind.unwrap_or_default().to_owned(), help.to_owned()));
    }
    let mut before = "";
    for piece in text.split("family(") {
        if let Some((name, kind, help)) = family(piece, before) {
            found.insert(name, (kind, help));
        }
        before = piece;
    }
    found
}

/// The arguments of a call; a help that is a name is the last `let help` before it.
fn family(call: &str, before: &str) -> Option<(String, String, String)> {
    let (_, rest) = call.split_once(',').filter(|(first, _)| first.trim() == "&mut out")?;
    let (name, rest) = literal(rest)?;
    let (kind, rest) = literal(rest.strip_prefix(',')?)?;
    let given = literal(rest.strip_prefix(',')?).map(|(help, _)| help);
    let named =
        || before.rsplit_once("let help = ").and_then(|(_, help)| literal(help)).map(|(help, _)| help);
    Some((name, kind, given.or_else(named)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_where_they_are_written() {
        let text = r##"out.push_str("# HELP a_total Of a\n# TYPE a_total counter\n");
            let help = "Of b";
            family(&mut out, "b_total", "counter", help, &x);
            family(&mut out, "c", "gauge", "Of c", &x);"##;
        let found = found(text);
        let of = |name: &str| found.get(name).map(|(kind, help)| (kind.as_str(), help.as_str()));
        assert_eq!(of("a_total"), Some(("counter", "Of a")));
        assert_eq!(of("b_total"), Some(("counter", "Of b")));
        assert_eq!(of("c"), Some(("gauge", "Of c")));
    }
}
