//! A busy time behind the edge: two instances and a worker, a thousand open answers, a hundred people.

use e2e::busy::{self, Busy, Watched};
use testkit::{Mainstay, binaries};

use crate::assistant::{MANIFEST, SECRET_KEY, SITE, serving_assistant_on};

#[test]
fn a_busy_time_behind_the_edge_has_no_failed_request_and_no_lost_write() {
    // All of them come from one address; by default the edge takes a thousand connections of one.
    let mainstay = Mainstay::start_with("[edge]\nconnections_per_client_max = 2000");
    let (mainstay, ..) = serving_assistant_on(mainstay, MANIFEST);
    let pids = mainstay.instances(SITE).into_values().chain([mainstay.edge_pid()]).collect();
    let watched = Watched::at_rest(pids);
    let data = mainstay.shared(SITE).join("data");
    let people = busy::invite(100, &binaries::path("assistant"), &data, SECRET_KEY, mainstay.http());
    let busy = Busy { answers: 50, readers: 20, lasts: busy::time() };
    let report = busy::run(&people, busy, &watched);
    println!("{report}");
    report.assert_nothing_failed(busy);
}
