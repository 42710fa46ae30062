//! How long requests took, by kind.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Times of answered requests.
#[derive(Debug, Default)]
pub struct Figures {
    by_kind: BTreeMap<&'static str, Vec<Duration>>,
}

impl Figures {
    pub fn add(&mut self, kind: &'static str, took: Duration) {
        self.by_kind.entry(kind).or_default().push(took);
    }

    /// The nearest rank of what `kind` took; nothing where it was never answered.
    pub fn percentile(&self, kind: &str, percent: usize) -> Duration {
        let mut took = self.by_kind.get(kind).cloned().unwrap_or_default();
        took.sort_unstable();
        percentile(&took, percent)
    }

    /// Answered requests of all kinds.
    pub fn count(&self) -> usize {
        self.by_kind.values().map(Vec::len).sum()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, took) in &self.by_kind {
            let mut took = took.clone();
            took.sort_unstable();
            let (middle, late) = (percentile(&took, 50), percentile(&took, 95));
            let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
            let count = took.len();
            writeln!(
                f,
                "{kind:<24} {count:>6} answers   p50 {:>8.1} ms   p95 {:>8.1} ms",
                ms(middle),
                ms(late)
            )?;
        }
        Ok(())
    }
}

/// The nearest rank of sorted times.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let times: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(10));
        assert_eq!(percentile(&times, 95), Duration::from_millis(19));
        assert_eq!(percentile(&times[..1], 95), Duration::from_millis(1));
    }
}
