//! The judgement by figures, against worlds of known rates: seldom wrong about good releases, soon right about bad ones.

use std::collections::BTreeSet;

use model::{Traffic, manifest::AbortIf, traffic::FirstBytes};
use std::time::Duration;

use crate::figures::{LOOK_EVERY, Worse, judge};
use testkit::worlds::Dice;

/// How the requests of one side go.
#[derive(Clone, Copy)]
struct Side {
    error_rate: f64,
    median_ms: f64,
}

const HEALTHY: Side = Side { error_rate: 0.005, median_ms: 40.0 };
/// Clients that requests come from.
const CLIENTS: u64 = 40;

/// Adds `count` requests; times are log-normal, with a spread of half an octave or so.
fn serve(dice: &mut Dice, side: Side, count: u64, traffic: &mut Traffic, met: &mut BTreeSet<u64>) {
    for _ in 0..count {
        traffic.answers += 1;
        if dice.unit() < side.error_rate {
            traffic.errors += 1;
            met.insert(dice.roll(CLIENTS));
            continue;
        }
        // The sum of twelve uniform numbers is near enough to normal.
        let normal = (0..12).map(|_| dice.unit()).sum::<f64>() - 6.0;
        let took = Duration::from_secs_f64(side.median_ms * (0.4 * normal).exp() / 1e3);
        *traffic.first_bytes.0.entry(FirstBytes::bin(took)).or_default() += 1;
    }
    traffic.clients = met.len() as u64;
}

/// After how many requests the new side is judged worse, of `limit`; with a healthy old side of 2,000.
fn found_after(seed: u64, new: Side, limit: u64) -> Option<(u64, Worse)> {
    let mut dice = Dice(seed);
    let (mut old, mut green) = (Traffic::default(), Traffic::default());
    serve(&mut dice, HEALTHY, 2_000, &mut old, &mut BTreeSet::new());
    let mut met = BTreeSet::new();
    (1..=limit / LOOK_EVERY).find_map(|look| {
        serve(&mut dice, new, LOOK_EVERY, &mut green, &mut met);
        Some((look * LOOK_EVERY, judge(&green, &old, &AbortIf::default())?))
    })
}

#[test]
fn of_a_thousand_healthy_deploys_at_most_one_is_taken_back() {
    let wrong = (0..1_000).filter_map(|seed| found_after(seed, HEALTHY, 2_000)).count();
    assert!(wrong <= 1, "{wrong} of 1,000");
}

#[test]
fn bad_releases_are_found_soon_in_95_of_100_worlds() {
    for (error_rate, limit) in [(0.20, 100), (0.10, 200), (0.05, 600)] {
        let new = Side { error_rate, ..HEALTHY };
        let found = (0..1_000).filter(|seed| found_after(10_000 + seed, new, limit).is_some()).count();
        assert!(found >= 950, "{found} of 1,000 with {error_rate} errors within {limit} requests");
    }
}

#[test]
fn a_release_that_answers_three_times_as_late_is_found_and_one_that_is_a_little_slower_is_not() {
    let late = |times: f64| Side { median_ms: HEALTHY.median_ms * times, ..HEALTHY };
    let found = (0..200).filter(|seed| found_after(20_000 + seed, late(3.0), 400).is_some()).count();
    assert!(found >= 190, "{found} of 200");
    let wrong = (0..200).filter_map(|seed| found_after(30_000 + seed, late(1.5), 2_000)).count();
    assert_eq!(wrong, 0, "of 200");
}

#[test]
fn an_old_side_that_was_never_asked_convicts_nobody_and_a_quiet_one_only_of_much() {
    let rules = AbortIf::default();
    let traffic = |answers, errors| Traffic { answers, errors, clients: 9, ..Traffic::default() };
    assert_eq!(judge(&traffic(100, 100), &Traffic::default(), &rules), None);
    assert_eq!(judge(&traffic(100, 8), &traffic(20, 0), &rules), None);
    assert!(matches!(judge(&traffic(100, 60), &traffic(20, 0), &rules), Some(Worse::Errors { .. })));
}

#[test]
fn few_errors_or_few_clients_convict_nobody() {
    let rules = AbortIf::default();
    let old = Traffic { answers: 5_000, errors: 0, clients: 0, ..Traffic::default() };
    let new = |errors, clients| Traffic { answers: 50, errors, clients, ..Traffic::default() };
    assert_eq!(judge(&new(4, 4), &old, &rules), None);
    assert_eq!(judge(&new(30, 2), &old, &rules), None);
    assert!(judge(&new(30, 3), &old, &rules).is_some());
}
