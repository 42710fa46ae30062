//! One process of the assistant with its worker under a thousand open answers and a hundred people.

use e2e::{
    assistant::Person,
    busy::{self, Busy, Watched},
};
use testkit::{binaries, mainstay::processes::resident_bytes};

use crate::{App, SECRET_KEY};

/// What one password takes while it is looked at is 19 MiB; two of them may be looked at at once.
const MIB_MORE_MAX: u64 = 20;

#[test]
fn people_who_have_signed_in_leave_no_memory_taken() {
    let app = App::start();
    let mib = || resident_bytes(app.pids()[0]).expect("it runs") >> 20;
    app.person();
    let once = mib();
    std::thread::scope(|scope| {
        let sign_in = || {
            (0..15)
                .for_each(|_| drop(Person::sign_in(app.at, "localhost", "ana", "correct horse").expect("in")))
        };
        (0..4).for_each(|_| drop(scope.spawn(sign_in)));
    });
    let often = mib();
    assert!(often < once + MIB_MORE_MAX, "{once} MiB after the first of them, {often} MiB after sixty");
}

#[test]
fn a_thousand_open_answers_and_a_hundred_people_meet_no_busy_error_and_lose_nothing() {
    let app = App::start_with_worker();
    let watched = Watched::at_rest(app.pids());
    let people = busy::invite(100, &binaries::path("assistant"), app.folder.path(), SECRET_KEY, app.at);
    let busy = Busy { answers: 50, readers: 20, lasts: busy::time() };
    let report = busy::run(&people, busy, &watched);
    println!("{report}");
    report.assert_nothing_failed(busy);
}
