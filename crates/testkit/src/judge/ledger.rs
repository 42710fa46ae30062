//! Writes against the ledger: what was acknowledged stands there once, and nothing stands there twice.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::tally::{Failed, Failure, Kind, Tally};

/// Counts lost and doubled writes as failures.
pub(super) fn check(path: &Path, tally: &Tally) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let applied = applied(&text);
    for nonce in tally.acknowledged_writes() {
        if !applied.contains_key(nonce.as_str()) {
            tally.fail(of_a_write(Failure::LostWrite, format!("{nonce} was acknowledged")));
        }
    }
    for (nonce, by) in applied.iter().filter(|(_, by)| by.len() > 1) {
        tally.fail(of_a_write(Failure::DoubleWrite, format!("{nonce} by {}", by.join(" and "))));
    }
}

/// The ledger has no clock: when it went wrong is not known.
fn of_a_write(failure: Failure, detail: String) -> Failed {
    let unknown = Duration::ZERO;
    Failed { failure, kind: Kind::Write, began: unknown, at: unknown, instance: None, detail }
}

/// Nonce to the instances that applied it.
fn applied(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut applied: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (nonce, instance) in text.lines().filter_map(|line| line.split_once(' ')) {
        applied.entry(nonce).or_default().push(instance);
    }
    applied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_writes_are_counted_and_unacknowledged_ones_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger");
        std::fs::write(&path, "n1 web.1.1\nn2 web.1.1\nn2 web.1.2\nn9 web.1.1\n").expect("written");
        let tally = Tally::default();
        ["n1", "n2", "n3"].into_iter().for_each(|nonce| tally.acknowledged(nonce.into()));
        check(&path, &tally);
        let report = tally.report(Duration::ZERO);
        assert_eq!(
            (report.count(Failure::LostWrite), report.count(Failure::DoubleWrite)),
            (1, 1),
            "{report}"
        );
    }
}
