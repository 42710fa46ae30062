//! Waiting for something to become true, with a bound and words for when it does not.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Polls every 10 ms.
///
/// # Panics
/// When `condition` was not true within `limit`; `what` says what was waited for.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    value(what, limit, || condition().then_some(()));
}

/// Polls every 10 ms for a value.
///
/// # Panics
/// When there was none within `limit`.
pub fn value<T>(what: &str, limit: Duration, mut get: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = get() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
