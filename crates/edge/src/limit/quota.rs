//! One client's quota as a single number: when it is whole again (the generic cell rate algorithm, ITU-T I.371).
//!
//! Pure. Times are nanoseconds since any moment that all calls share.

use std::time::Duration;

/// How a quota is spent and fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// In which one request is added to it; not 0.
    interval: u64,
    /// In which an empty one is whole; at least an interval.
    whole: u64,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed {
        /// Requests that may follow at once.
        left: u64,
        whole_in: u64,
    },
    Refused {
        retry_in: u64,
        whole_in: u64,
    },
}

impl Verdict {
    pub(crate) fn is_passed(self) -> bool {
        matches!(self, Self::Passed { .. })
    }
}

impl Quota {
    /// `burst`: requests that it holds when it is whole.
    pub(crate) const fn of(interval: Duration, burst: u32) -> Self {
        // Bound: 584 years; what is longer is cut.
        let nanos = interval.as_nanos();
        let interval = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        let interval = if interval == 0 { 1 } else { interval };
        Self { interval, whole: interval.saturating_mul(if burst == 0 { 1 } else { burst as u64 }) }
    }

    /// What the quota holds when it is whole.
    pub(super) fn burst(&self) -> u64 {
        self.whole / self.interval
    }

    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// Spends one request of the quota that is whole at `whole_at`, which is put off then. What is refused costs nothing.
    pub(crate) fn spend(&self, whole_at: &mut u64, now: u64) -> Verdict {
        // Later than a whole quota from now it was put under another rate, by an earlier table.
        let before = (*whole_at).clamp(now, now.saturating_add(self.whole));
        let after = before.saturating_add(self.interval);
        let missing = after - now;
        if missing > self.whole {
            return Verdict::Refused { retry_in: missing - self.whole, whole_in: before - now };
        }
        *whole_at = after;
        Verdict::Passed { left: (self.whole - missing) / self.interval, whole_in: missing }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn passes(quota: Quota, times: impl Iterator<Item = u64>) -> usize {
        let mut whole_at = 0;
        times.filter(|now| quota.spend(&mut whole_at, *now).is_passed()).count()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_an_interval() {
        // RATE-02: 10 a second, and 20 at once besides.
        let quota = Quota::of(Duration::from_millis(100), 21);
        assert_eq!(passes(quota, (0..50).map(|_| SECOND)), 21);
        assert_eq!(passes(quota, (0..1_000).map(|n| SECOND + n * SECOND / 100)), 21 + 99, "ten seconds");
        let mut whole_at = 0;
        (0..21).for_each(|_| _ = quota.spend(&mut whole_at, SECOND));
        let refused = quota.spend(&mut whole_at, SECOND + SECOND / 25);
        let whole_in = 2 * SECOND + SECOND / 10 - SECOND / 25;
        assert_eq!(refused, Verdict::Refused { retry_in: SECOND / 10 - SECOND / 25, whole_in });
        let again = quota.spend(&mut whole_at, SECOND + SECOND / 10);
        assert_eq!(again, Verdict::Passed { left: 0, whole_in: 2 * SECOND + SECOND / 10 });
    }

    #[test]
    fn a_rate_that_became_higher_is_not_held_against_who_waits() {
        let (slow, quick) = (Quota::of(Duration::from_secs(60), 5), Quota::of(Duration::from_secs(1), 5));
        let mut whole_at = 0;
        (0..9).for_each(|_| _ = slow.spend(&mut whole_at, SECOND));
        assert_eq!(whole_at, 301 * SECOND);
        assert!(matches!(quick.spend(&mut whole_at, 2 * SECOND), Verdict::Refused { retry_in: SECOND, .. }));
    }

    proptest! {
        #[test]
        fn in_any_stretch_of_time_no_more_passes_than_the_burst_and_the_rate(
            interval in 1..5_000u64, burst in 1..50u32, gaps in proptest::collection::vec(0..10_000u64, 1..300),
        ) {
            let quota = Quota::of(Duration::from_nanos(interval), burst);
            let (mut whole_at, mut now, mut passed) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                if let Verdict::Passed { left, .. } = quota.spend(&mut whole_at, now) {
                    prop_assert!(left < u64::from(burst));
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    prop_assert!(((last - first) as u64) < u64::from(burst) + (to - from) / interval);
                }
            }
        }

        #[test]
        fn who_waits_as_long_as_is_said_passes(
            interval in 1..5_000u64, burst in 1..50u32, gaps in proptest::collection::vec(0..3_000u64, 1..100),
        ) {
            let quota = Quota::of(Duration::from_nanos(interval), burst);
            let (mut whole_at, mut now) = (0, 0);
            for gap in gaps {
                now += gap;
                if let Verdict::Refused { retry_in, .. } = quota.spend(&mut whole_at, now) {
                    let mut early = whole_at;
                    let is_passed = quota.spend(&mut early, now + retry_in - 1).is_passed();
                    prop_assert!(!is_passed);
                    now += retry_in;
                    let is_passed = quota.spend(&mut whole_at, now).is_passed();
                    prop_assert!(is_passed);
                }
            }
        }

        #[test]
        fn no_number_makes_it_overflow(interval: u64, burst: u32, whole_at: u64, now: u64) {
            let quota = Quota::of(Duration::from_nanos(interval), burst);
            let mut whole_at = whole_at;
            quota.spend(&mut whole_at, now);
        }
    }
}
