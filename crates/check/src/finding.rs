//! What a finding is made of.

use api::checks::{Finding, Severity, State};
use model::Explain;

/// What a kind of checks looks at.
pub(crate) trait Looks {
    type At<'a>;
}

/// One check.
pub(crate) struct Check<L: Looks> {
    /// Stable and kebab-case; an attestation names it.
    pub id: &'static str,
    /// What is true when it passes.
    pub title: &'static str,
    pub severity: Severity,
    /// Ids of requirements and of defects of the guides.
    pub sources: &'static [&'static str],
    pub run: for<'a> fn(&L::At<'a>) -> State,
}

impl<L: Looks> Check<L> {
    pub(crate) fn find(&self, context: &L::At<'_>) -> Finding {
        self.with((self.run)(context))
    }

    pub(crate) fn with(&self, state: State) -> Finding {
        Finding {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            severity: self.severity,
            sources: self.sources.iter().map(|source| (*source).to_owned()).collect(),
            state,
        }
    }
}

pub(crate) fn passed(seen: impl Into<String>) -> State {
    State::Passed { seen: seen.into() }
}

pub(crate) fn not_run(why: impl Into<String>) -> State {
    State::NotRun { why: why.into() }
}

pub(crate) fn found(explain: Explain) -> State {
    State::Found { explain }
}

/// Found with all of `wrong` as causes, or passed.
pub(crate) fn found_if(wrong: Vec<String>, explain: Explain, seen: impl Into<String>) -> State {
    if wrong.is_empty() {
        return passed(seen);
    }
    found(wrong.into_iter().fold(explain, Explain::caused_by))
}

/// `3 things`, `1 thing`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    match (n, thing.ends_with('s')) {
        (1, _) => format!("1 {thing}"),
        (_, false) => format!("{n} {thing}s"),
        (_, true) => format!("{n} {thing}es"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn things_are_counted_as_people_say_them() {
        let said = [(1, "address"), (2, "address"), (0, "route"), (1, "route")]
            .map(|(n, thing)| super::count(n, thing));
        assert_eq!(said, ["1 address", "2 addresses", "0 routes", "1 route"]);
    }
}
