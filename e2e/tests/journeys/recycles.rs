//! An app that leaks: its instances are replaced one by one before they hold too much, and nobody notices.

use std::time::Duration;

use testkit::{FakeApp, Load, Mainstay, wait};

use crate::judge;

/// The first is old enough after a minute; then one after the other.
const SOON: Duration = Duration::from_secs(180);

#[test]
fn an_app_that_leaks_is_recycled_under_load_and_nothing_fails() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake")
        .env("FAKE_LEAK_KIB", "32")
        .service("recycle = { memory = \"40MiB\" }");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let first = mainstay.instances(&app.site());
    let judge = judge(&mainstay, &app, Load::mixed());
    wait::until("both first instances are gone", SOON, || {
        mainstay.instances(&app.site()).keys().all(|name| !first.contains_key(name))
    });
    judge.wait_answers(200);
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
    let said = mainstay.cli_in(app.folder(), &["status"]).expect_code(0).all();
    assert!(said.contains("2 recycled, the last at"), "{said}");
    assert!(said.contains("Last: deploy by "), "a recycling hides what somebody did\n{said}");
    let said = mainstay.cli_in(app.folder(), &["events"]).expect_code(0).all();
    assert!(
        said.lines().filter(|line| line.contains(" recycle ") && line.contains("of memory")).count() >= 2,
        "{said}"
    );
}
