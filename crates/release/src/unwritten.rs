//! What a run has done and the disk does not take: since when, why, and what a person can do.

use std::sync::{Mutex, PoisonError};

use api::status;
use model::Explain;

/// The first of the writes that fail one after the other, until one goes well.
// The lock is held for one look.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(Mutex<Option<status::Unwritten>>);

impl Unwritten {
    /// A write failed at `now` (RFC 3339) with `error`.
    pub(crate) fn failed(&self, now: String, error: &Explain) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| status::Unwritten { since: now, why: explain(error) });
    }

    /// All of it is written.
    pub(crate) fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn get(&self) -> Option<status::Unwritten> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whoever reads it has nothing to try again: the run does.
fn explain(error: &Explain) -> Explain {
    let explain = Explain::new("not-written-down", "what it has done is not written down yet")
        .help("make room on the disk, or mend what is named; it is tried again, and then ends by itself");
    let causes = std::iter::once(&error.message).chain(&error.causes);
    causes.fold(explain, |explain, cause| explain.caused_by(cause.clone()))
}
