//! When something is done for a name: from its record and the time to the next step. Pure.

use std::time::{Duration, SystemTime};

use crate::record::{Issued, Record, seconds};

/// The first pause after a failure, doubled with each further one up to the longest. Let's Encrypt takes five failed
/// validations of a name an hour: these pauses stay below that.
const PAUSE_FIRST: Duration = Duration::from_secs(60);
const PAUSE_LONGEST: Duration = Duration::from_secs(12 * 3_600);
/// Of each pause that is random.
const JITTER: f64 = 0.2;
/// Bound: a CA that says to come back later than this is asked earlier.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A certificate is renewed with a third of its life left, and up to a thirtieth earlier.
const LEFT: u64 = 3;
const EARLIER: f64 = 1.0 / 30.0;

/// What is to be done for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, for so long.
    Wait(Duration),
    /// To place an order, or go on with the one that is there.
    Order,
    /// To ask the CA when it suggests to renew.
    Ask,
}

pub(crate) fn step(record: &Record, now: SystemTime) -> Step {
    if let Some(left) = record.next.map(|next| next.left(now)).filter(|left| !left.is_zero()) {
        return Step::Wait(left);
    }
    let Some(issued) = &record.issued else { return Step::Order };
    if record.order.is_some() || record.is_due {
        return Step::Order;
    }
    let now_s = seconds(now);
    let renew_at_s = renew_at(record, issued);
    let ask_at_s = record.suggestion.map_or(0, |known| known.ask_at_s);
    match () {
        () if now_s >= renew_at_s => Step::Order,
        () if now_s >= ask_at_s => Step::Ask,
        () => Step::Wait(Duration::from_secs(renew_at_s.min(ask_at_s) - now_s)),
    }
}

/// Seconds since 1970. What the CA suggests holds, but not beyond what this machine would do by itself by more than half of
/// what is left then.
pub(crate) fn renew_at(record: &Record, issued: &Issued) -> u64 {
    let suggested = record.suggestion.and_then(|known| known.renew_at_s);
    let latest = issued.expires_s.saturating_sub(issued.expires_s.saturating_sub(issued.renew_at_s) / 2);
    suggested.map_or(issued.renew_at_s, |at| at.min(latest))
}

/// When a certificate of this life is renewed. `roll`: 0 to 1.
pub(crate) fn planned(begins_s: u64, expires_s: u64, roll: f64) -> u64 {
    let life = expires_s.saturating_sub(begins_s);
    let earlier = (life as f64 * EARLIER * roll) as u64;
    expires_s.saturating_sub(life / LEFT).saturating_sub(earlier)
}

/// After so many failures, from 1. `asked`: what the CA said in `Retry-After`. `roll`: 0 to 1.
pub(crate) fn pause(failures: u32, asked: Option<Duration>, roll: f64) -> Duration {
    let plain = PAUSE_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_LONGEST);
    let own = plain.mul_f64(1.0 + JITTER * roll);
    own.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Next, Pending, Suggestion};

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    fn issued(renew_at_s: u64) -> Record {
        let issued = Issued {
            serial: "1".to_owned(),
            issuer: "a CA".to_owned(),
            begins_s: 0,
            expires_s: 900,
            renew_at_s,
        };
        let suggestion = Some(Suggestion { renew_at_s: None, ask_at_s: 500 });
        Record { issued: Some(issued), suggestion, ..Record::new("a.example") }
    }

    #[test]
    fn a_name_without_a_certificate_is_ordered_and_after_a_failure_not_before_its_pause_is_over() {
        let mut record = Record::new("a.example");
        assert_eq!(step(&record, at(1_000)), Step::Order);
        record.failed("no".to_owned(), Duration::from_secs(60), at(1_000));
        assert_eq!(step(&record, at(1_030)), Step::Wait(Duration::from_secs(30)));
        assert_eq!(step(&record, at(1_060)), Step::Order);
    }

    #[test]
    fn a_certificate_waits_for_its_time_and_an_order_that_was_cut_for_nothing() {
        let record = issued(600);
        assert_eq!(step(&record, at(400)), Step::Wait(Duration::from_secs(100)), "until the CA is asked");
        assert_eq!(step(&record, at(500)), Step::Ask);
        assert_eq!(step(&record, at(600)), Step::Order);
        let cut = Record { order: Some(Pending { url: "u".to_owned(), key: None }), ..record.clone() };
        assert_eq!(step(&cut, at(10)), Step::Order);
        let paused = Record { next: Some(Next::after(Duration::from_secs(5), at(10))), ..cut };
        assert_eq!(step(&paused, at(10)), Step::Wait(Duration::from_secs(5)));
        assert_eq!(step(&Record { is_due: true, ..record }, at(10)), Step::Order);
    }

    #[test]
    fn a_suggestion_moves_the_renewal_but_never_to_the_end() {
        let with = |renew_at_s| Record {
            suggestion: Some(Suggestion { renew_at_s: Some(renew_at_s), ask_at_s: 900 }),
            ..issued(600)
        };
        assert_eq!(step(&with(100), at(100)), Step::Order, "the CA revokes it, so now");
        assert_eq!(step(&with(700), at(699)), Step::Wait(Duration::from_secs(1)));
        assert_eq!(step(&with(5_000), at(750)), Step::Order, "half of what was left then");
    }

    #[test]
    fn pauses_grow_and_the_cas_word_holds_where_it_is_longer() {
        let plain = |failures| pause(failures, None, 0.0).as_secs();
        assert_eq!([1, 2, 3, 20].map(plain), [60, 120, 240, 43_200]);
        assert_eq!(pause(1, Some(Duration::from_secs(3_600)), 1.0), Duration::from_secs(3_600));
        assert_eq!(pause(1, Some(Duration::from_secs(1)), 0.0), PAUSE_FIRST);
        assert_eq!(pause(1, Some(Duration::MAX), 0.0), RETRY_AFTER_MAX);
    }

    proptest! {
        #[test]
        fn a_third_of_the_life_is_left_or_a_little_more(life in 1u64..400_000_000, roll in 0.0..1.0f64) {
            let left = 1_000_000 + life - planned(1_000_000, 1_000_000 + life, roll);
            prop_assert!(left >= life / 3 && left <= life / 3 + life / 30 + 1, "{left} of {life}");
        }
    }
}
