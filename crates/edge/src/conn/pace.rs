//! How a client takes what it is sent. Whoever takes nothing, or next to nothing, holds an instance's connection for as long
//! as it likes (a "slow read").
//!
//! Only the time counts in which something waits to be taken: an event stream that says little is not slow.

use std::cell::Cell;

use crate::clock::NEVER;

/// A client is judged by its rate each time it has let the edge wait so long in all.
const JUDGED_AFTER_MS: u64 = 20_000;

/// Times are the edge's milliseconds.
#[derive(Debug)]
pub(crate) struct Pace {
    blocked_since: Cell<u64>,
    /// Before that, since it was judged last.
    waited_ms: Cell<u64>,
    /// Since it was judged last.
    taken: Cell<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { blocked_since: Cell::new(NEVER), waited_ms: Cell::new(0), taken: Cell::new(0) }
    }
}

impl Pace {
    /// Nothing of what is left was taken.
    pub(crate) fn blocks(&self, now: u64) {
        if !self.is_blocked() {
            self.blocked_since.set(now);
        }
    }

    pub(crate) fn takes(&self, bytes: u64, now: u64) {
        self.taken.set(self.taken.get().saturating_add(bytes));
        self.waited_ms.set(self.waited_ms.get().saturating_add(self.blocked_ms(now)));
        self.blocked_since.set(NEVER);
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked_since.get() != NEVER
    }

    /// For how long now.
    pub(crate) fn blocked_ms(&self, now: u64) -> u64 {
        now.saturating_sub(self.blocked_since.get())
    }

    /// Whether it has taken fewer than `rate_min` bytes for each second that it let the edge wait. Who takes nothing at all
    /// is judged by [`Self::blocked_ms`].
    pub(crate) fn is_too_slow(&self, rate_min: u64) -> bool {
        let waited_ms = self.waited_ms.get();
        if waited_ms < JUDGED_AFTER_MS {
            return false;
        }
        self.waited_ms.set(0);
        self.taken.replace(0).saturating_mul(1000) / waited_ms < rate_min
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drips_is_too_slow_and_who_only_waits_for_us_is_not() {
        let drips = Pace::default();
        let slow = (0..60).any(|second| {
            drips.blocks(second * 1000);
            drips.takes(100, second * 1000 + 990);
            drips.is_too_slow(512)
        });
        assert!(slow, "100 bytes a second");
        let quiet = Pace::default();
        let slow = (0..3600).any(|second| {
            quiet.takes(20, second * 1000);
            quiet.is_too_slow(512)
        });
        assert!(!slow, "nothing waited for it");
        let steady = Pace::default();
        let slow = (0..3600).any(|second| {
            steady.blocks(second * 1000);
            steady.takes(1_000, second * 1000 + 1000);
            steady.is_too_slow(512)
        });
        assert!(!slow, "1,000 bytes a second");
    }

    #[test]
    fn nobody_lives_on_what_it_took_long_ago() {
        let pace = Pace::default();
        pace.takes(1 << 40, 0);
        pace.blocks(0);
        assert_eq!((pace.blocked_ms(7), pace.is_too_slow(512)), (7, false));
        pace.takes(1, JUDGED_AFTER_MS);
        assert!(!pace.is_too_slow(512), "as a whole it was quick");
        pace.blocks(JUDGED_AFTER_MS);
        pace.takes(1, 2 * JUDGED_AFTER_MS);
        assert!(pace.is_too_slow(512));
        assert_eq!((pace.is_blocked(), pace.blocked_ms(NEVER)), (false, 0));
    }
}
