//! Claims and their proof: each requirement id in `docs/reference/requirements.md` names what shows it, and that exists.
//!
//! A row is `| ID | what is claimed | proof, proof |`; a proof is `test:name` (a function of that name under `#[test]`),
//! `check:id` (a finding of `mainstay check`) or `lint:rule`.

use std::{collections::BTreeSet, path::Path};

use super::{RULES, Sources};
use crate::shell::Result;

const LIST: &str = "docs/reference/requirements.md";

pub(super) fn check(sources: &Sources) -> Result<Vec<String>> {
    let Some((_, list)) = sources.files.iter().find(|(path, _)| path == Path::new(LIST)) else {
        return Ok(vec![format!("{LIST} is missing")]);
    };
    let known = Known::of(sources);
    Ok(findings(list, &known))
}

/// What can be named as a proof.
#[derive(Default)]
struct Known {
    tests: BTreeSet<String>,
    checks: BTreeSet<String>,
}

impl Known {
    fn of(sources: &Sources) -> Self {
        let mut known = Self::default();
        for (path, text) in sources.rust() {
            known.tests.extend(tests(text));
            if path.starts_with("crates/check") {
                known.checks.extend(quoted(text));
            }
        }
        known
    }

    fn holds(&self, proof: &str) -> bool {
        match proof.split_once(':') {
            Some(("test", name)) => self.tests.contains(name),
            Some(("check", id)) => self.checks.contains(id),
            Some(("lint", rule)) => RULES.iter().any(|(name, _)| *name == rule),
            _ => false,
        }
    }
}

fn findings(list: &str, known: &Known) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (id, proofs) in list.lines().filter_map(row) {
        if !seen.insert(id.to_owned()) {
            found.push(format!("{id} is claimed twice"));
        }
        if proofs.is_empty() {
            found.push(format!("{id} names nothing that shows it"));
        }
        let missing = proofs.iter().filter(|proof| !known.holds(proof));
        found.extend(missing.map(|proof| format!("{id}: `{proof}` does not exist")));
    }
    if seen.is_empty() {
        found.push(format!("{LIST} claims nothing"));
    }
    found
}

/// Id and proofs of a table row; `None`: a heading or another line.
fn row(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let id = cells.next()?;
    let is_id = id.contains('-') && id.starts_with(|c: char| c.is_ascii_uppercase());
    let proofs = cells.nth(1)?;
    let proofs =
        proofs.split(',').map(|proof| proof.trim().trim_matches('`')).filter(|proof| !proof.is_empty());
    is_id.then(|| (id, proofs.collect()))
}

/// Names of functions that follow a test attribute within a few lines.
fn tests(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_test = |line: &str| {
        line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line == "proptest! {"
    };
    let name = |line: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        Some(rest.split('(').next()?.to_owned())
    };
    let after = |at: usize| lines[at..].iter().take(6).find_map(|line| name(line));
    (0..lines.len()).filter(|at| is_test(lines[*at])).filter_map(after).collect()
}

/// Every string literal that looks like an id.
fn quoted(text: &str) -> Vec<String> {
    let pieces = text.split('"').skip(1).step_by(2);
    let is_id = |piece: &&str| {
        !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit())
    };
    pieces.filter(is_id).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests_of_claims {
    use super::*;

    fn known() -> Known {
        Known { tests: ["it_serves".to_owned()].into(), checks: ["disk-space".to_owned()].into() }
    }

    #[test]
    fn a_claim_with_its_proof_passes_and_one_without_does_not() {
        let list = "| id | claim | shown by |\n|---|---|---|\n| RUN-03 | restarts | `test:it_serves`, `check:disk-space` |\n";
        assert_eq!(findings(list, &known()), Vec::<String>::new());
        let list =
            "| RUN-03 | restarts | `test:gone` |\n| RUN-04 | stops | |\n| RUN-04 | stops | `lint:rooms` |\n";
        let expected = [
            "RUN-03: `test:gone` does not exist",
            "RUN-04 names nothing that shows it",
            "RUN-04 is claimed twice",
        ];
        assert_eq!(findings(list, &known()), expected);
        assert_eq!(findings("nothing", &known()).len(), 1);
    }

    #[test]
    fn a_function_counts_only_under_a_test_attribute() {
        let text = "#[test]\nfn shown() {}\nfn helper() {}\n#[tokio::test(start_paused = true)]\nasync fn later() {}\n";
        assert_eq!(tests(text), ["shown", "later"]);
    }
}
