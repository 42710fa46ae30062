//! What a process held when it was hit, and that no more than that failed.

use std::{thread::JoinHandle, time::Duration};

use serde_json::Value;
use testkit::{Failure, FakeApp, Judge, Mainstay, Report, http, judge::tally::Kind, wait};

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

/// A stream that has an end of its own.
pub(crate) struct Stream {
    events: usize,
    reader: JoinHandle<http::Answer>,
}

/// The only stream, open when this returns, of so many seconds.
pub(crate) fn stream(mainstay: &Mainstay, app: &FakeApp, seconds: usize) -> Stream {
    let (to, host) = (mainstay.http(), app.host_name().to_owned());
    let events = 4 * seconds;
    // The app sends one more than it is asked for, which says that it is done.
    let path = format!("/sse?n={}&ms=250", events - 1);
    let reader = std::thread::spawn(move || {
        http::ask(to, &host, "GET", &path, &["accept: text/event-stream"], &[]).expect("it was not cut")
    });
    wait::until("the stream is open", Duration::from_secs(15), || {
        mainstay.status(&app.site())["services"][0]["open"]["streams"] == 1
    });
    Stream { events, reader }
}

impl Stream {
    pub(crate) fn has_ended(&self) -> bool {
        self.reader.is_finished()
    }

    /// Waits for its end, to which it must come; the instance that it was of.
    pub(crate) fn whole(self) -> String {
        let answer = self.reader.join().expect("no panic");
        let events = answer.text().lines().filter(|line| line.starts_with("data:")).count();
        assert_eq!(events, self.events, "it came to its end");
        answer.header("x-instance").expect("it says whose it was").to_owned()
    }
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
