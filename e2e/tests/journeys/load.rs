//! Journey 1: mixed load while three deploys and a rollback run.

use std::time::{Duration, Instant};

use testkit::{Load, judge::tally::Kind, wait};

use crate::{judge, serving_fake, time};

#[test]
fn three_deploys_and_a_rollback_under_mixed_load_lose_nothing() {
    let whole = time(Duration::from_secs(30), Duration::from_secs(300));
    let (mainstay, mut app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let began = Instant::now();
    for release in 2..=4 {
        app = app.next();
        judge.expect_any();
        app.deploy_to(&mainstay, &[]).expect_code(0);
        assert_eq!(mainstay.serving(&app.site()), release);
        judge.expect_release(release);
        judge.wait_answers(100);
    }
    judge.expect_any();
    mainstay.cli_in(app.folder(), &["rollback"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 3, "the last good one before 4");
    judge.expect_release(3);
    judge.wait_answers(100);
    wait::until("the load has run its time", whole + Duration::from_secs(60), || began.elapsed() >= whole);
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
    for kind in [Kind::Short, Kind::Slow, Kind::Pausing, Kind::Write, Kind::Stream, Kind::Socket] {
        assert!(report.right_of(kind) > 0, "no {kind:?} was answered\n{report}");
    }
    let closed = report.closes.get(&1012).map_or(0, std::collections::BTreeMap::len);
    assert_eq!(closed, 5, "each of five WebSockets was closed with 1012 at least once\n{report}");
    assert_eq!(report.closes.len(), 1, "and with nothing else\n{report}");
}
