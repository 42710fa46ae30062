//! The checklists of the production guides, item by item: which are seen by a program, attested by a person, or open.

mod guides;

use std::collections::BTreeMap;

use api::checks::{Finding, Severity, State};

pub use guides::{Guide, by_name, guides};

use crate::{before, finding::Check, finding::Looks, host, live, people, served};

/// How an item of a checklist stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every check that is for it ran, and all is well.
    Seen,
    /// A person vouches for what no program saw.
    Attested,
    /// A check found something, did not run, or nobody has looked.
    Open,
}

/// One item, judged.
#[derive(Clone, Debug)]
pub struct Item {
    /// `CHK-09a`
    pub id: &'static str,
    pub title: &'static str,
    pub standing: Standing,
    /// The findings that answer it: what holds it open, else all.
    pub by: Vec<String>,
}

/// Which checks answer each demand.
fn answering() -> BTreeMap<&'static str, Vec<&'static str>> {
    fn told<L: Looks>(
        checks: &'static [&'static Check<L>],
    ) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        // A note demands nothing.
        checks.iter().filter(|check| check.severity > Severity::Info).map(|check| (check.id, check.sources))
    }
    let all = told(&before::CHECKS)
        .chain(told(&live::CHECKS))
        .chain(told(&host::CHECKS))
        .chain(told(&served::CHECKS));
    let mut answering: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, sources) in all.chain(people::demands()) {
        for source in sources {
            let ids = answering.entry(*source).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    answering
}

/// Each item of `guide` by `findings`, which hold attestations already.
pub fn judge(guide: &Guide, findings: &[Finding]) -> Vec<Item> {
    let answering = answering();
    let item = |&(id, title): &(&'static str, &'static str)| {
        let ids = answering.get(id).map(Vec::as_slice).unwrap_or_default();
        let (standing, by) = standing(ids, findings);
        Item { id, title, standing, by }
    };
    guide.items.iter().map(item).collect()
}

fn standing(ids: &[&str], findings: &[Finding]) -> (Standing, Vec<String>) {
    // One id may stand several times: each mistake of a manifest is one.
    let states = |id: &str| {
        findings
            .iter()
            .filter(move |finding| finding.id == id)
            .map(|finding| &finding.state)
            .collect::<Vec<_>>()
    };
    let is_open = |id: &&&str| {
        let states = states(id);
        states.is_empty()
            || states.iter().any(|state| matches!(state, State::Found { .. } | State::NotRun { .. }))
    };
    let named = |ids: Vec<&&str>| ids.into_iter().map(|id| (*id).to_owned()).collect::<Vec<String>>();
    let open: Vec<&&str> = ids.iter().filter(is_open).collect();
    let is_attested = |id: &&str| states(id).iter().any(|state| matches!(state, State::Attested { .. }));
    match () {
        () if ids.is_empty() => (Standing::Open, Vec::new()),
        () if !open.is_empty() => (Standing::Open, named(open)),
        () if ids.iter().any(is_attested) => (Standing::Attested, named(ids.iter().collect())),
        () => (Standing::Seen, named(ids.iter().collect())),
    }
}

#[cfg(test)]
mod tests;
