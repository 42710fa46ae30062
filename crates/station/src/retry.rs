//! When a delivery is tried again: soon, then later and later, then never.
//!
//! Counted in tries and not by the clock, so that a clock that jumps gives nothing up.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(3_600);
/// Of each delay that is random, so that many do not come at once when the receiver is back.
const JITTER: f64 = 0.2;
/// With these delays the last try is a day after the first.
pub(crate) const TRIES_MAX: u32 = 36;

/// How long to wait after so many tries that failed, from 1; `None`: it is given up. `roll`: 0 to 1.
pub(crate) fn delay(tries: u32, roll: f64) -> Option<Duration> {
    if tries >= TRIES_MAX {
        return None;
    }
    let plain = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
    Some(plain.mul_f64(1.0 + JITTER * (2.0 * roll - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_for_a_day_with_growing_pauses_and_then_ends() {
        let all: Vec<Duration> = (1..).map_while(|tries| delay(tries, 0.5)).collect();
        assert_eq!(all[..3], [2, 4, 8].map(Duration::from_secs));
        assert!(all.is_sorted() && all.last() == Some(&LONGEST));
        let day = 24.0 * 3_600.0;
        let total: Duration = all.iter().sum();
        assert!(total.as_secs_f64() > day && total.as_secs_f64() < 1.1 * day, "{total:?}");
        let spread = [0.0, 1.0].map(|roll| delay(1, roll).expect("a delay").as_secs_f64());
        assert!((spread[0] - 1.6).abs() < 1e-9 && (spread[1] - 2.4).abs() < 1e-9, "{spread:?}");
    }
}
