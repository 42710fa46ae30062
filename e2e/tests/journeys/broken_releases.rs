//! Journey 2: releases that cannot serve. The old one goes on, the exit code is 4, and the words say why.

use testkit::{FakeApp, Load, mainstay::free_port};

use crate::{judge, serving_fake};

/// Deploys release 2 under load as `broken` makes it; it must be aborted with all of `words` said, and nobody notice.
fn aborted(broken: impl FnOnce(FakeApp) -> FakeApp, words: &[&str]) {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    let said = broken(app.clone().next()).deploy_to(&mainstay, &[]).expect_code(4);
    for word in words {
        assert!(said.all().contains(word), "the message does not say {word:?}\n{said}");
    }
    assert_eq!(mainstay.serving(&app.site()), 1, "the old release serves\n{said}");
    judge.wait_answers(100);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
    let left = mainstay.instances(&app.site());
    assert!(left.keys().all(|name| name.starts_with("web.1.")), "of the new one nothing is left: {left:?}");
}

#[test]
fn a_release_that_throws_at_boot_is_aborted_with_its_last_words() {
    aborted(|app| app.env("FAKE_BOOT", "throw"), &["left-pad"]);
}

#[test]
fn a_release_that_never_listens_is_aborted() {
    aborted(
        |app| app.env("FAKE_BOOT", "never-listen").deploy("health_timeout", "\"6s\""),
        &["listening to nobody"],
    );
}

#[test]
fn a_release_that_listens_on_another_port_is_aborted_and_told_so() {
    let port = free_port().to_string();
    aborted(
        |app| app.env("FAKE_PORT", &port).instances(1).deploy("health_timeout", "\"6s\""),
        &["listens-elsewhere", &port],
    );
}

#[test]
fn a_release_on_all_interfaces_is_aborted_in_production() {
    aborted(
        |app| app.env("FAKE_HOST", "0.0.0.0").deploy("health_timeout", "\"6s\""),
        &["listens-on-all-interfaces", "allow_public_bind"],
    );
}

#[test]
fn a_release_that_answers_500_is_aborted_with_the_probes_answer() {
    aborted(|app| app.env("FAKE_STATUS", "500").deploy("health_timeout", "\"6s\""), &["500"]);
}

#[test]
fn a_release_that_hangs_is_aborted() {
    aborted(|app| app.env("FAKE_HANG", "1").deploy("health_timeout", "\"6s\""), &[]);
}

#[test]
fn a_release_that_takes_20_s_to_be_ready_is_waited_for() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    judge.expect_any();
    let slow = app.clone().next().env("FAKE_READY_AFTER_MS", "20000").deploy("health_timeout", "\"60s\"");
    slow.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 2);
    judge.expect_release(2);
    judge.wait_answers(100);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn a_release_that_needs_long_to_listen_is_waited_for() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    judge.expect_any();
    app.clone().next().env("FAKE_BOOT_DELAY_MS", "5000").deploy_to(&mainstay, &[]).expect_code(0);
    judge.expect_release(2);
    judge.wait_answers(100);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}
