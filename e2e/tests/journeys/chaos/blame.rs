//! Whether what failed was held by what was hit. Pure: faults with their windows and allowances, and the judge's failures.

use std::{fmt, time::Duration};

use testkit::{
    Failure,
    judge::tally::{Failed, Kind},
};

use crate::held::{BETWEEN, Held};

/// From the death of a process until those who spoke to it have seen it: nothing that begins later may fail.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// What the death of one process may have broken.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    pub kinds: &'static [Kind],
    pub failures: &'static [Failure],
    /// Only what this instance held; what has no name yet counts as well.
    pub instance: Option<String>,
    /// Bound: so many at most.
    pub most: usize,
}

/// One fault, with its window on the judge's clock.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub words: String,
    pub from: Duration,
    /// The process is gone, or whole again.
    pub until: Duration,
    /// Nothing: whoever was hit held no request.
    pub allows: Vec<Allowance>,
}

/// What an instance takes along: an answer that it had not begun, one in the middle, a stream, a WebSocket.
const BY_AN_INSTANCE: [Failure; 5] =
    [Failure::EdgeStatus, Failure::Reset, Failure::ShortBody, Failure::StreamCut, Failure::WrongClose];
/// What the edge takes along: connections.
const BY_THE_EDGE: [Failure; 4] =
    [Failure::Reset, Failure::ShortBody, Failure::StreamCut, Failure::WrongClose];
const REQUESTS: [Kind; 4] = [Kind::Short, Kind::Slow, Kind::Pausing, Kind::Write];

/// By class, as the edge counted it.
pub(super) fn of_an_instance(name: &str, held: Held) -> Vec<Allowance> {
    let classes: [(&'static [Kind], usize); 3] =
        [(&REQUESTS, held.http), (&[Kind::Stream], held.streams), (&[Kind::Socket], held.websockets)];
    let allowance = |(kinds, held): (&'static [Kind], usize)| Allowance {
        kinds,
        failures: &BY_AN_INSTANCE,
        instance: Some(name.to_owned()),
        most: held + BETWEEN,
    };
    classes.map(allowance).into()
}

/// Every client has one connection: what it had under way, once.
pub(super) fn of_the_edge(load: &testkit::Load) -> Vec<Allowance> {
    let clients: [(&'static [Kind], usize); 6] = [
        (&[Kind::Short], load.short),
        (&[Kind::Slow], load.slow),
        (&[Kind::Pausing], load.pausing),
        (&[Kind::Write], load.writers),
        (&[Kind::Stream], load.streams),
        (&[Kind::Socket], load.websockets),
    ];
    clients.map(|(kinds, most)| Allowance { kinds, failures: &BY_THE_EDGE, instance: None, most }).into()
}

impl Fault {
    fn excuses(&self, failed: &Failed, allowance: &Allowance) -> bool {
        let open = failed.began <= self.until + NOTICED_WITHIN && failed.at >= self.from;
        let noticed = failed.at <= self.until + NOTICED_WITHIN + NOTICED_WITHIN;
        let its_own = match (&allowance.instance, &failed.instance) {
            (Some(hit), Some(held_by)) => hit == held_by,
            _ => true,
        };
        let of_class = allowance.kinds.contains(&failed.kind) && allowance.failures.contains(&failed.failure);
        open && noticed && its_own && of_class && allowance.most > 0
    }
}

/// The failures that no fault explains. Each takes one from the allowance that explains it.
pub(super) fn unexplained<'a>(failures: &'a [Failed], faults: &[Fault]) -> Vec<&'a Failed> {
    let mut left = faults.to_vec();
    let mut in_time: Vec<_> = failures.iter().collect();
    in_time.sort_by_key(|failed| failed.at);
    in_time.retain(|failed| !take(failed, &mut left));
    in_time
}

fn take(failed: &Failed, faults: &mut [Fault]) -> bool {
    for fault in faults {
        let excusing = fault.allows.iter().position(|allowance| fault.excuses(failed, allowance));
        if let Some(n) = excusing {
            fault.allows[n].most -= 1;
            return true;
        }
    }
    false
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from.as_secs_f64(), self.until.as_secs_f64());
        write!(f, "    {from:>8.3} to {until:>8.3} s  {}", self.words)?;
        let most: usize = self.allows.iter().map(|allowance| allowance.most).sum();
        if most > 0 { write!(f, ", which held {most} at most") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: Duration = Duration::from_secs(10);

    fn killed(held: Held) -> Fault {
        let allows = of_an_instance("web.1.1", held);
        Fault { words: "kill of web.1.1".into(), from: KILLED, until: KILLED, allows }
    }

    fn failed(failure: Failure, kind: Kind, began_ms: u64, at_ms: u64, instance: Option<&str>) -> Failed {
        let of = Duration::from_millis;
        let instance = instance.map(str::to_owned);
        Failed { failure, kind, began: of(began_ms), at: of(at_ms), instance, detail: String::new() }
    }

    fn is_explained(failed: Failed) -> bool {
        unexplained(&[failed], &[killed(Held::default())]).is_empty()
    }

    #[test]
    fn what_the_dead_instance_held_is_explained() {
        assert!(is_explained(failed(Failure::EdgeStatus, Kind::Write, 9_900, 10_020, None)));
        assert!(is_explained(failed(Failure::StreamCut, Kind::Stream, 6_000, 10_020, Some("web.1.1"))));
    }

    #[test]
    fn another_instance_another_time_and_another_class_are_not() {
        assert!(!is_explained(failed(Failure::StreamCut, Kind::Stream, 6_000, 10_020, Some("web.1.2"))));
        assert!(
            !is_explained(failed(Failure::EdgeStatus, Kind::Write, 9_900, 9_990, None)),
            "before the kill"
        );
        assert!(
            !is_explained(failed(Failure::EdgeStatus, Kind::Write, 11_500, 11_600, None)),
            "begun after it"
        );
        assert!(!is_explained(failed(Failure::StreamCut, Kind::Stream, 6_000, 14_000, None)), "broke later");
        for never in [
            Failure::Refused,
            Failure::Timeout,
            Failure::WrongAnswer,
            Failure::WrongDigest,
            Failure::WrongRelease,
            Failure::LostWrite,
            Failure::DoubleWrite,
            Failure::Status,
        ] {
            assert!(!is_explained(failed(never, Kind::Write, 9_900, 10_020, None)), "{never:?}");
        }
    }

    #[test]
    fn no_more_is_explained_than_was_held() {
        let fault = killed(Held { streams: 3, ..Held::default() });
        let cut = failed(Failure::StreamCut, Kind::Stream, 6_000, 10_020, Some("web.1.1"));
        let failures = vec![cut; 3 + BETWEEN + 2];
        assert_eq!(unexplained(&failures, &[fault]).len(), 2);
    }

    #[test]
    fn a_fault_that_allows_nothing_explains_nothing() {
        let fault = Fault { allows: Vec::new(), ..killed(Held::default()) };
        let reset = failed(Failure::Reset, Kind::Short, 9_900, 10_020, None);
        assert_eq!(unexplained(&[reset], &[fault]).len(), 1);
    }
}
