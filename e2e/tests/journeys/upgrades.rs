//! Journey 24: another build takes over beside a site that serves. Its keeper adopts every instance and puts an edge of its own
//! in the place of the one that runs, under load, with nothing failed.

use std::{path::Path, time::Duration};

use testkit::{
    FakeApp, Load, Mainstay, Report,
    mainstay::processes::{is_alive, kill},
    wait,
};

use crate::{judge, serving_fake};

/// From the end of the keeper before until another edge serves.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(40);

/// Streams of five seconds, so that every edge holds some when it is told to drain.
fn load() -> Load {
    Load { streams: 12, events: 20, websockets: 5, ..Load::mixed() }
}

/// `mainstay up` and its keeper end, the site serves on, and `binary` is started in their place.
fn replace_with(mainstay: &mut Mainstay, binary: &Path) {
    let keeper = mainstay.keeper_pid();
    mainstay.kill_up();
    kill(keeper);
    wait::until("the keeper is gone", TAKES_OVER_WITHIN, || !is_alive(keeper));
    mainstay.run_from(binary.to_owned());
    mainstay.up();
}

fn ended(edge: u32) {
    wait::until("the edge of before has drained and ended", TAKES_OVER_WITHIN, || !is_alive(edge));
}

fn finish(judge: testkit::Judge, mainstay: &Mainstay, app: &FakeApp) -> Report {
    let report = judge.finish(Some(&app.ledger(mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
    report
}

#[test]
fn a_keeper_of_another_build_replaces_the_edge_and_nothing_fails() {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let instances = mainstay.instances(&app.site());
    let first = mainstay.edge_pid();
    let other = mainstay.another_build("second");
    replace_with(&mut mainstay, &other);
    let second = mainstay.edge_pid();
    assert_ne!(first, second, "an edge of the new build serves");
    judge.wait_answers(300);
    ended(first);
    judge.wait_answers(300);
    // The same build again changes nothing, and the build of before is another one once more.
    mainstay.kill_keeper();
    assert_eq!(mainstay.edge_pid(), second, "an edge of the same build is adopted");
    replace_with(&mut mainstay, &testkit::binaries::path("mainstay"));
    judge.wait_answers(300);
    ended(second);
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
    finish(judge, &mainstay, &app);
    mainstay.down();
}
