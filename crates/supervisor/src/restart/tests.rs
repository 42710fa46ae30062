use proptest::prelude::*;

use super::*;

/// The middle roll: no jitter either way.
const MIDDLE: f64 = 0.5;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn delays_double_to_the_longest_and_begin_anew_after_a_long_life() {
    let mut policy = Policy::new(Restart { max_restarts: 100, ..Restart::default() });
    let mut now = Duration::ZERO;
    let mut delays = Vec::new();
    for _ in 0..8 {
        now += secs(1);
        delays.push(policy.ended(now, secs(1), MIDDLE).delay.as_millis());
    }
    assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    assert_eq!(policy.ended(now + secs(60), secs(60), MIDDLE).delay, Duration::from_millis(500));
}

#[test]
fn the_eleventh_end_in_ten_minutes_is_degraded_and_is_tried_every_minute_for_ever() {
    let mut policy = Policy::new(Restart::default());
    let mut now = Duration::ZERO;
    for n in 1..=10 {
        now += secs(20);
        assert!(!policy.ended(now, secs(1), MIDDLE).degraded, "end {n}");
    }
    for _ in 0..50 {
        now += secs(20);
        assert_eq!(policy.ended(now, secs(1), MIDDLE), Next { delay: secs(60), degraded: true });
    }
}

#[test]
fn an_end_now_and_then_is_never_degraded() {
    let mut policy = Policy::new(Restart::default());
    for n in 1..200 {
        assert!(!policy.ended(secs(n * 3600), secs(30), MIDDLE).degraded);
    }
}

#[test]
fn a_long_life_ends_the_degradation() {
    let mut policy = Policy::new(Restart { max_restarts: 1, ..Restart::default() });
    policy.ended(secs(1), secs(1), MIDDLE);
    assert!(policy.ended(secs(2), secs(1), MIDDLE).degraded);
    assert!(!policy.ended(secs(100), secs(90), MIDDLE).degraded);
}

proptest! {
    /// Whatever happens: a next start comes, in bounded time, and the memory is bounded.
    #[test]
    fn it_never_gives_up_and_never_waits_longer_than_said(
        ends in proptest::collection::vec((0_u64..100_000, 0_u64..200_000, 0.0_f64..1.0), 1..200),
        factor in -1.0_f64..1e9, jitter in -1.0_f64..2.0, max_restarts in 0_u32..20,
    ) {
        let settings = Restart { backoff_factor: factor, jitter, max_restarts, ..Restart::default() };
        let longest = settings.degraded_every.0.max(settings.backoff_max.0) * 2;
        let mut policy = Policy::new(settings);
        let mut now = Duration::ZERO;
        for (pause, lived, roll) in ends {
            now += Duration::from_millis(pause);
            let next = policy.ended(now, Duration::from_millis(lived), roll);
            prop_assert!(next.delay <= longest);
            prop_assert!(policy.ends.len() <= max_restarts as usize + 1);
        }
    }

    #[test]
    fn jitter_stays_within_its_share(roll in 0.0_f64..1.0, base in 0_u64..100_000) {
        let base = Duration::from_millis(base);
        let delay = jittered(base, 0.2, roll).as_secs_f64();
        let base = base.as_secs_f64();
        prop_assert!(delay >= base * 0.8 - 1e-6 && delay <= base * 1.2 + 1e-6);
    }

    #[test]
    fn without_jitter_delays_within_a_loop_never_shrink(count in 2_usize..40) {
        let mut policy = Policy::new(Restart { jitter: 0.0, max_restarts: 1000, ..Restart::default() });
        let mut last = Duration::ZERO;
        for n in 0..count {
            let next = policy.ended(secs(n as u64), secs(0), MIDDLE);
            prop_assert!(next.delay >= last);
            last = next.delay;
        }
    }
}
