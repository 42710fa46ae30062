//! The journeys, each runnable by its name: `cargo xtask test --only NAME`.
//!
//! `MAINSTAY_TEST_LONG=1` (`cargo xtask test --long NAME`) makes those longer that have a long form.

mod answers;
mod approvals;
mod assistant;
mod attached;
mod bad_input;
mod bakes;
mod broken_releases;
mod browser;
mod builds;
mod busy;
mod canary;
mod certs;
mod chaos;
mod checks;
mod corpora;
mod counts;
mod disk;
mod endings;
mod files;
mod five_minutes;
mod floods;
mod forms;
mod freezes;
mod fresh;
mod front;
mod h2spec;
mod hangs;
mod held;
mod hooks;
mod hostile_apps;
mod kills;
mod lighthouse;
mod listeners;
mod load;
mod lost_secrets;
mod migrations;
mod models;
mod moving;
mod mutants;
mod neighbours;
mod old_pages;
mod once;
mod pages;
mod promotes;
mod recesses;
mod recycles;
mod remote;
mod replays;
mod sandbox;
mod schedules;
mod script;
mod secrets;
mod singletons;
mod slow;
mod strangers;
mod tls_scans;
mod upgrade_command;
mod upgrades;
mod webhooks;

use std::time::Duration;

use testkit::{FakeApp, Judge, Load, Mainstay};

fn is_long() -> bool {
    std::env::var_os("MAINSTAY_TEST_LONG").is_some()
}

/// `short` in the everyday run, `long` before a release.
fn time(short: Duration, long: Duration) -> Duration {
    if is_long() { long } else { short }
}

/// A machine with the first release of the fake app serving.
fn serving_fake() -> (Mainstay, FakeApp) {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 1);
    (mainstay, app)
}

/// A load on the app, answered by the release that serves.
fn judge(mainstay: &Mainstay, app: &FakeApp, load: Load) -> Judge {
    let judge = Judge::start(mainstay.target(app.host_name()), load);
    judge.expect_release(mainstay.serving(&app.site()));
    // Every kind of client is at work before anything happens.
    judge.wait_answers(300);
    judge
}

/// A migration that takes two seconds and moves a number in a file.
const SLOW_MIGRATION: &str = r#"
[migrate]
command = ["/bin/sh", "-c", "touch $STATE/migrating; sleep 2; echo 1 > $STATE/schema"]
status_command = ["/bin/sh", "-c", "cat $STATE/schema 2>/dev/null || echo 0"]
schema = 1
schema_min = 0
compatible_with = 0
env = { STATE = "{shared_dir}/state" }
"#;
