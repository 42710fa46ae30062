//! Releases that pass their gate and fail afterwards: the warm old one takes over again, the exit code is 3, and the
//! words say why, with figures.

use std::fs;

use testkit::{Failure, FakeApp, Load, Report};

use crate::{judge, serving_fake};

/// Deploys release 2 under load; once it bakes it gets `illness`. It must be taken back with all of `words` said. Gives
/// what the judge saw.
fn taken_back(illness: &str, change: impl FnOnce(FakeApp) -> FakeApp, words: &[&str]) -> Report {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    let instances = mainstay.instances(&app.site());
    judge.expect_any();
    let next =
        app.clone().next().env("FAKE_SICK", "{shared_dir}/state/illness").deploy("bake_time", "\"60s\"");
    let mut deploy = change(next).start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("bake");
    fs::write(mainstay.shared(&app.site()).join("state/illness"), illness).expect("the shared folder");
    let said = deploy.wait().expect_code(3);
    for word in words {
        assert!(said.all().contains(word), "the message does not say {word:?}\n{said}");
    }
    assert_eq!(mainstay.serving(&app.site()), 1, "the old release serves again\n{said}");
    assert_eq!(
        mainstay.instances(&app.site()).into_iter().filter(|i| instances.contains_key(&i.0)).count(),
        2
    );
    judge.expect_release(1);
    judge.wait_answers(100);
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    println!("{report}");
    report
}

#[test]
fn a_release_that_loses_its_readiness_in_its_bake_is_taken_back_and_nothing_fails() {
    taken_back("unready", |app| app, &["release-unready"]).assert_nothing_failed();
}

#[test]
fn a_release_that_fails_a_smoke_request_in_its_bake_is_taken_back() {
    let smoke = |app: FakeApp| app.deploy("smoke", "[{ get = \"/smoke\" }]").deploy("abort_if", OFF);
    let report = taken_back("500", smoke, &["smoke-failed"]);
    only_its_own_errors(&report);
}

#[test]
fn a_release_that_crashes_in_its_bake_is_taken_back() {
    let report = taken_back("crash", |app| app, &["release-crashed"]);
    // What its instances held when they crashed is lost; nobody was refused, nothing was answered wrongly.
    for class in [Failure::Refused, Failure::WrongAnswer, Failure::WrongRelease, Failure::LostWrite] {
        assert_eq!(report.count(class), 0, "{class:?}\n{report}");
    }
}

/// All clients of the judge have one address.
#[test]
fn a_release_that_fails_every_third_request_is_taken_back_by_its_figures() {
    let rules = |app: FakeApp| app.deploy("abort_if", "{ min_clients = 1 }");
    let report = taken_back("every-third", rules, &["release-errs-more", "requests failed", "release 1"]);
    only_its_own_errors(&report);
}

/// Figures judge nothing.
const OFF: &str = "{ error_rate = 1.0 }";

/// The app's own 500s, and nothing else.
fn only_its_own_errors(report: &Report) {
    assert!(report.count(Failure::Status) > 0, "it was ill\n{report}");
    assert_eq!(report.count(Failure::Status), report.failures.len(), "nothing else failed\n{report}");
}
