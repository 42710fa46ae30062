//! What the app's sandbox has refused: counted, and written to its log the first time, with what would open it.

use std::collections::BTreeMap;

use machine::sandbox::Refusals;

use super::log::Log;
use crate::sandbox::of_number;

#[derive(Debug)]
pub(super) struct Refused {
    /// `None`: nothing is told, or nobody is left of whom.
    refusals: Option<Refusals>,
}

impl Refused {
    pub(super) fn new(refusals: Option<Refusals>) -> Self {
        Self { refusals }
    }

    pub(super) fn watched(&self) -> Option<&Refusals> {
        self.refusals.as_ref()
    }

    /// Bound: `counts` has at most one entry a call that may be refused.
    pub(super) fn take(&mut self, log: &mut Log, counts: &mut BTreeMap<String, u64>) {
        let Some(refusals) = &self.refusals else { return };
        let refusal = match refusals.take() {
            Ok(Some(refusal)) => refusal,
            Ok(None) => return,
            Err(_) => return self.refusals = None,
        };
        let known = of_number(refusal.number);
        let name = known.map_or("a system call", |known| known.name);
        if !counts.contains_key(name) {
            let opened_by = known.and_then(|known| known.opened_by);
            let help = opened_by.map_or_else(
                || "`seccomp = false` in [sandbox] would let it through".to_owned(),
                |word| format!("`allow = [\"{}\"]` in [sandbox] would let it through", word.word()),
            );
            let thread = refusal.thread;
            log.note(&format!("the sandbox refused {name} (EPERM) to the thread {thread}; {help}"));
        }
        let count = counts.entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
    }
}
