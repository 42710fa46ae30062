//! What a process held when it was hit, and that no more than that failed.

use serde_json::Value;
use testkit::{Failure, FakeApp, Judge, Mainstay, Report, http, judge::tally::Kind};

/// What one instance held, by class, as the edge counted it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub http: usize,
    pub streams: usize,
    pub websockets: usize,
}

/// What may come to an instance between the look at it and its kill, of each class.
pub(crate) const BETWEEN: usize = 4;

/// What no death of one process excuses.
pub(crate) const NEVER: [Failure; 5] =
    [Failure::Refused, Failure::WrongAnswer, Failure::LostWrite, Failure::DoubleWrite, Failure::Timeout];

/// The edge's own word on itself; `None`: nobody answers.
pub(crate) fn edge_status(mainstay: &Mainstay) -> Option<Value> {
    let socket = mainstay.run_folder().join("edge/now/control.sock");
    let answer = http::ask_unix(&socket, "GET", "/status", &[]).ok()?;
    (answer.status == 200).then(|| answer.json())
}

impl Held {
    pub(crate) fn by(mainstay: &Mainstay, name: &str) -> Self {
        let status = edge_status(mainstay).expect("the edge answers");
        Self::told(&status, name).unwrap_or_else(|| panic!("the edge does not know {name}: {status}"))
    }

    /// As a status of the edge tells it, of all generations that had an instance of this name; `None`: it knows none.
    pub(crate) fn told(status: &Value, name: &str) -> Option<Self> {
        let all_of = |pool: &Value, list: &str| pool[list].as_array().cloned().unwrap_or_default();
        let pools = status["pools"].as_array()?.iter();
        let upstreams = pools.flat_map(|pool| [all_of(pool, "upstreams"), all_of(pool, "leaving")].concat());
        let found: Vec<_> = upstreams.filter(|upstream| upstream["name"] == name).collect();
        let of = |class: &str| {
            let counts = found.iter().map(|upstream| upstream["active"][class].as_u64());
            counts.sum::<Option<u64>>().map(|count| count as usize)
        };
        let all = Self { http: of("http")?, streams: of("stream")?, websockets: of("websocket")? };
        (!found.is_empty()).then_some(all)
    }

    /// What failed is, class by class, no more than `name` held, and nothing of another's.
    pub(crate) fn at_most_of_it(&self, name: &str, judge: Judge, mainstay: &Mainstay, app: &FakeApp) {
        let report = at_most(judge, self.http + self.streams + self.websockets + 3 * BETWEEN, mainstay, app);
        let of_others = report.failures.iter().filter(|f| f.instance.as_ref().is_some_and(|by| by != name));
        assert_eq!(of_others.count(), 0, "what another instance held failed\n{report}");
        for (kind, held) in [(Kind::Stream, self.streams), (Kind::Socket, self.websockets)] {
            let failed = report.failures.iter().filter(|failed| failed.kind == kind).count();
            assert!(failed <= held + BETWEEN, "{failed} of {kind:?} failed, {held} were held\n{report}");
        }
    }
}

/// Nothing but what was open at the kill may have failed, and nobody was refused.
pub(crate) fn at_most(judge: Judge, held: usize, mainstay: &Mainstay, app: &FakeApp) -> Report {
    judge.wait_answers(200);
    let report = judge.finish(Some(&app.ledger(mainstay)));
    println!("{report}");
    assert!(report.failures.len() <= held, "more failed than was held ({held})\n{report}");
    for class in NEVER {
        assert_eq!(report.count(class), 0, "{class:?}\n{report}");
    }
    report
}
