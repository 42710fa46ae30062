//! What users got from a pool, in figures: answers, errors, how soon the first byte came.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// Bins of [`FirstBytes`]: four an octave from [`FIRST_BIN_US`] on; the last one, which begins at about 220 s, has no
/// upper end.
pub const FIRST_BYTE_BINS: usize = 80;
/// Upper end of the first bin, in microseconds.
const FIRST_BIN_US: f64 = 250.0;
const BINS_AN_OCTAVE: f64 = 4.0;

/// Counted requests. What the app marks as foreign (`X-Mainstay-Cause: upstream`), what the client broke off, and
/// what the edge refused before it reached an instance are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests whose answer began, errors included.
    pub answers: u64,
    /// Of these: status 5xx, no answer from the instance, or an answer that broke in the middle.
    pub errors: u64,
    /// Clients that met an error, counted up to a bound of the counter's own; an IPv6 /64 is one.
    pub clients: u64,
    /// Of answers without error that are no streams.
    pub first_bytes: FirstBytes,
}

/// How many answers began how soon, by bin; empty bins are left out. As JSON a list of pairs: a map with numbers for keys
/// does not come back out of a record that serde has to buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u8, u64)>", into = "Vec<(u8, u64)>")]
pub struct FirstBytes(pub BTreeMap<u8, u64>);

impl From<Vec<(u8, u64)>> for FirstBytes {
    fn from(pairs: Vec<(u8, u64)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<FirstBytes> for Vec<(u8, u64)> {
    fn from(bins: FirstBytes) -> Self {
        bins.0.into_iter().collect()
    }
}

impl Traffic {
    /// What came after `before`, which is an earlier reading of the same counter.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            answers: self.answers.saturating_sub(before.answers),
            errors: self.errors.saturating_sub(before.errors),
            clients: self.clients.saturating_sub(before.clients),
            first_bytes: self.first_bytes.since(&before.first_bytes),
        }
    }
}

impl FirstBytes {
    /// The bin that a time falls into.
    pub fn bin(took: Duration) -> u8 {
        let octaves = (took.as_secs_f64() * 1e6 / FIRST_BIN_US).max(1.0).log2();
        let last = (FIRST_BYTE_BINS - 1) as f64;
        // Bound: `min` keeps it below 80.
        (octaves * BINS_AN_OCTAVE).ceil().min(last) as u8
    }

    /// How many bins a factor of time is, rounded.
    pub fn bins_of(factor: f64) -> u8 {
        (factor.max(1.0).log2() * BINS_AN_OCTAVE).round().min(FIRST_BYTE_BINS as f64) as u8
    }

    /// The upper end of a bin.
    pub fn upper(bin: u8) -> Duration {
        Duration::from_secs_f64(FIRST_BIN_US * 1e-6 * (f64::from(bin) / BINS_AN_OCTAVE).exp2())
    }

    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The upper end of the bin that holds the middle answer; `None`: there is none.
    pub fn median(&self) -> Option<Duration> {
        let half = self.count().div_ceil(2);
        let mut below = 0;
        let middle = self.0.iter().find(|(_, count)| {
            below += **count;
            half > 0 && below >= half
        });
        middle.map(|(bin, _)| Self::upper(*bin))
    }

    fn since(&self, before: &Self) -> Self {
        let left = |(bin, count): (&u8, &u64)| {
            let count = count.saturating_sub(before.0.get(bin).copied().unwrap_or(0));
            (count > 0).then_some((*bin, count))
        };
        Self(self.0.iter().filter_map(left).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bins: &[(u8, u64)]) -> FirstBytes {
        FirstBytes(bins.iter().copied().collect())
    }

    #[test]
    fn every_time_has_a_bin_that_ends_at_it_or_after_it() {
        assert_eq!(FirstBytes::bin(Duration::ZERO), 0);
        assert_eq!(FirstBytes::bin(Duration::from_micros(250)), 0);
        assert_eq!(FirstBytes::bin(Duration::from_secs(100_000)), 79);
        for us in [1_u64, 251, 300, 1_000, 40_000, 999_999, 120_000_000] {
            let took = Duration::from_micros(us);
            let bin = FirstBytes::bin(took);
            assert!(FirstBytes::upper(bin) >= took, "{us} µs in bin {bin}");
            assert!(bin == 0 || FirstBytes::upper(bin - 1) < took, "{us} µs in bin {bin}");
        }
        assert_eq!(FirstBytes::bins_of(2.0), 4);
    }

    #[test]
    fn the_median_is_that_of_the_middle_answer() {
        assert_eq!(FirstBytes::default().median(), None);
        assert_eq!(of(&[(4, 1)]).median(), Some(Duration::from_micros(500)));
        assert_eq!(of(&[(0, 5), (4, 5)]).median(), Some(Duration::from_micros(250)));
        assert_eq!(of(&[(0, 5), (4, 6)]).median(), Some(Duration::from_micros(500)));
    }

    #[test]
    fn a_reading_less_an_earlier_one_is_what_came_between() {
        let before = Traffic { answers: 10, errors: 1, clients: 1, first_bytes: of(&[(3, 9)]) };
        let after = Traffic { answers: 30, errors: 4, clients: 2, first_bytes: of(&[(3, 9), (7, 17)]) };
        let between = Traffic { answers: 20, errors: 3, clients: 1, first_bytes: of(&[(7, 17)]) };
        assert_eq!(after.since(&before), between);
        assert_eq!(before.since(&after), Traffic::default(), "an edge that was restarted counts anew");
    }
}
