//! Whether a new release serves users worse than the old one, from what the edge counted. Pure.
//!
//! Errors: both rates are unknown; each gets the posterior of a beta-binomial model with a uniform prior, and the question
//! is how probable it is that the new one's rate is above the old one's by more than `error_rate`. An old side that was
//! hardly asked is a wide posterior, so it takes more to say so. First bytes: a one-sided Mann-Whitney test of the new
//! times against the old ones made `slowdown` times as long, on bins, with the correction for ties (Mann and Whitney
//! 1947; Lehmann, Nonparametrics, 1.4).

use std::{collections::BTreeMap, time::Duration};

use model::{ServiceName, Traffic, manifest::AbortIf, traffic::FirstBytes};
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, Continuous, ContinuousCDF, Normal};

use crate::{
    state::{Group, State},
    world::PoolStatus,
};

/// How many answers come between two looks: each look is a chance to err.
pub(crate) const LOOK_EVERY: u64 = 50;
/// First bytes of each side from which on they are compared: a start is slow for the first few requests.
const FIRST_BYTES_MIN: u64 = 200;
/// A median that rose by less than this is not felt by anybody, whatever its multiple.
const FELT: Duration = Duration::from_millis(50);
/// Half-width of the interval that is integrated, in standard deviations; beyond it lies less than any `confidence`.
const DEVIATIONS: f64 = 10.0;
/// Even, as Simpson's rule wants it.
const INTERVALS: u32 = 256;

/// What the old side did before the switch, by service.
pub(crate) type Baseline = BTreeMap<ServiceName, Traffic>;

/// One of the counts that the edge keeps, of each service that serves.
pub(crate) fn of_live(
    state: &State,
    pools: &[PoolStatus],
    count: impl Fn(&PoolStatus) -> &Traffic,
) -> Baseline {
    let counted = |group: &Group| {
        let pool = pools.iter().find(|pool| pool.id == group.pool())?;
        Some((group.service.clone(), count(pool).clone()))
    };
    state.live.iter().filter_map(counted).collect()
}

/// Why a release is worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Worse {
    Errors { probability: f64 },
    Slow { probability: f64 },
}

/// When to look: after every [`LOOK_EVERY`] answers. An edge that was restarted counts anew, and so does this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks(BTreeMap<ServiceName, u64>);

impl Looks {
    /// Whether it is time to look at `service`, which has so many answers by now.
    pub(crate) fn is_due(&mut self, service: &ServiceName, answers: u64) -> bool {
        let looked_at = self.0.entry(service.clone()).or_default();
        if answers < *looked_at {
            *looked_at = 0;
        }
        let due = answers >= *looked_at + LOOK_EVERY;
        if due {
            *looked_at = answers;
        }
        due
    }
}

pub(crate) fn judge(new: &Traffic, old: &Traffic, rules: &AbortIf) -> Option<Worse> {
    let enough = new.errors >= u64::from(rules.min_errors) && new.clients >= u64::from(rules.min_clients);
    if enough {
        let probability = errs_more(new, old, rules.error_rate);
        if probability > rules.confidence {
            return Some(Worse::Errors { probability });
        }
    }
    let probability = is_slower(&new.first_bytes, &old.first_bytes, rules.slowdown);
    (probability > rules.confidence).then_some(Worse::Slow { probability })
}

/// The probability that the new side's rate of errors is above the old one's by more than `margin`.
fn errs_more(new: &Traffic, old: &Traffic, margin: f64) -> f64 {
    let (Some(new), Some(old)) = (posterior(new), posterior(old)) else { return 0.0 };
    let mean = |beta: &Beta| beta.shape_a() / (beta.shape_a() + beta.shape_b());
    // Below one half whatever the width: not worth the sum.
    if mean(&new) <= mean(&old) + margin {
        return 0.0;
    }
    let (a, b) = (old.shape_a(), old.shape_b());
    let deviation = (a * b / ((a + b).powi(2) * (a + b + 1.0))).sqrt();
    let low = (mean(&old) - DEVIATIONS * deviation).max(0.0);
    let high = (mean(&old) + DEVIATIONS * deviation).min(1.0);
    simpson(low, high, |rate| old.pdf(rate) * new.sf((rate + margin).min(1.0)))
}

fn posterior(traffic: &Traffic) -> Option<Beta> {
    let errors = traffic.errors.min(traffic.answers);
    Beta::new(1.0 + errors as f64, 1.0 + (traffic.answers - errors) as f64).ok()
}

fn simpson(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let width = (high - low) / f64::from(INTERVALS);
    let weight = |n: u32| match n {
        0 | INTERVALS => 1.0,
        n if n % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=INTERVALS).map(|n| weight(n) * f(low + f64::from(n) * width)).sum();
    (sum * width / 3.0).clamp(0.0, 1.0)
}

/// The confidence that new answers begin later than old ones would if each took `factor` times as long.
fn is_slower(new: &FirstBytes, old: &FirstBytes, factor: f64) -> f64 {
    let (n, m) = (new.count(), old.count());
    if n.min(m) < FIRST_BYTES_MIN {
        return 0.0;
    }
    let rose = new.median().unwrap_or_default().saturating_sub(old.median().unwrap_or_default());
    if rose < FELT {
        return 0.0;
    }
    let shift = FirstBytes::bins_of(factor);
    let old = old.0.iter().map(|(bin, count)| (bin.saturating_add(shift), *count)).collect();
    mann_whitney(&new.0, &old)
}

/// One-sided: the probability, under "no later", of a rank sum below the one seen.
fn mann_whitney(new: &BTreeMap<u8, u64>, old: &BTreeMap<u8, u64>) -> f64 {
    let (mut wins, mut below, mut ties) = (0.0, 0.0, 0.0);
    let bins = new.keys().chain(old.keys()).collect::<std::collections::BTreeSet<_>>();
    for bin in bins {
        let ours = new.get(bin).copied().unwrap_or(0) as f64;
        let theirs = old.get(bin).copied().unwrap_or(0) as f64;
        wins += ours * (below + theirs / 2.0);
        below += theirs;
        ties += (ours + theirs).powi(3) - (ours + theirs);
    }
    let (n, m) = (new.values().sum::<u64>() as f64, old.values().sum::<u64>() as f64);
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let standard = Normal::standard();
    // All in one bin: nothing tells them apart.
    if variance <= 0.0 { 0.0 } else { standard.cdf((wins - n * m / 2.0) / variance.sqrt()) }
}

/// A time that was measured: `2.8 s`, `1 min 12 s`.
pub(crate) fn measured(took: Duration) -> String {
    // Rounded first: 59.96 s are a minute.
    let tenths = (took.as_secs_f64() * 10.0).round();
    let s = (tenths / 10.0).round();
    match tenths {
        ..600.0 => format!("{:.1} s", tenths / 10.0),
        _ => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
    }
}

/// `23 of 150 requests failed (15.3 %)`.
pub(crate) fn words(traffic: &Traffic) -> String {
    let share = 100.0 * traffic.errors as f64 / traffic.answers.max(1) as f64;
    format!("{} of {} requests failed ({share:.1} %)", traffic.errors, traffic.answers)
}

/// `, and 3 more were marked as another service's fault`; nothing where there are none.
pub(crate) fn foreign_words(marked: u64) -> String {
    match marked {
        0 => String::new(),
        1 => ", and one more was marked as another service's fault".to_owned(),
        _ => format!(", and {marked} more were marked as another service's fault"),
    }
}

/// `half of 431 answers began within 12 ms`.
pub(crate) fn first_byte_words(traffic: &Traffic) -> String {
    let count = traffic.first_bytes.count();
    match traffic.first_bytes.median() {
        Some(median) => format!("half of {count} answers began within {:.0} ms", median.as_secs_f64() * 1e3),
        None => "no answers".to_owned(),
    }
}

#[cfg(test)]
mod words {
    use super::*;

    #[test]
    fn what_was_measured_is_told_in_seconds() {
        let of = |ms| measured(Duration::from_millis(ms));
        assert_eq!(
            [of(2_824), of(59_940), of(59_960), of(72_400)],
            ["2.8 s", "59.9 s", "1 min 0 s", "1 min 12 s"]
        );
    }

    #[test]
    fn answers_that_were_marked_are_told_where_there_are_any() {
        assert_eq!(foreign_words(0), "");
        assert_eq!(foreign_words(1), ", and one more was marked as another service's fault");
        assert_eq!(foreign_words(3), ", and 3 more were marked as another service's fault");
    }
}
