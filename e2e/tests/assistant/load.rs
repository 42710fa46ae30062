//! One process of the assistant with its worker under a thousand open answers and a hundred people.

use e2e::busy::{self, Busy};
use testkit::binaries;

use crate::{App, SECRET_KEY};

#[test]
fn a_thousand_open_answers_and_a_hundred_people_meet_no_busy_error_and_lose_nothing() {
    let app = App::start_with_worker();
    let people = busy::invite(100, &binaries::path("assistant"), app.folder.path(), SECRET_KEY, app.at);
    let busy = Busy { answers: 50, readers: 20, lasts: busy::time() };
    let report = busy::run(&people, busy, &app.pids());
    println!("{report}");
    report.assert_nothing_failed(busy);
}
