//! Journey 2: releases that cannot serve. The old one goes on, the exit code is 4, and the words say why.

use std::{fs, os::unix::fs::PermissionsExt as _};

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

/// A venv below /root is the usual case: root, who looks, may enter, and the app may not.
#[test]
fn a_runtime_that_is_closed_to_the_apps_account_is_told_by_its_folder() {
    if !rustix::process::getuid().is_root() {
        println!("only root gives apps accounts of their own; not shown in this run");
        return;
    }
    let (mainstay, app) = serving_fake();
    let home = mainstay.folder().join("home");
    fs::create_dir(&home).expect("made");
    fs::copy(app.folder().join("fakeapp"), home.join("fakeapp")).expect("copied");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("closed");
    let next = app.clone().next();
    next.write();
    let path = app.folder().join("mainstay.toml");
    let text = fs::read_to_string(&path).expect("the manifest");
    fs::write(&path, text.replace("./fakeapp", &home.join("fakeapp").display().to_string()))
        .expect("written");
    let closed = format!("{}, which the account mainstay-fake cannot enter", home.display());
    let said = mainstay.cli_in(app.folder(), &["check"]).expect_code(2);
    assert!(said.all().contains(&closed), "{said}");
    let said = mainstay.cli_in(app.folder(), &["deploy"]).expect_code(4);
    assert!(said.all().contains(&closed) && said.all().contains("instance-not-started"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 1);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).expect("opened");
    mainstay.cli_in(app.folder(), &["deploy"]).expect_code(0);
}

/// Of two instances of an app with a port of its own choice one finds it taken.
#[test]
fn a_fixed_port_is_told_with_its_remedy() {
    let port = free_port().to_string();
    aborted(
        |app| app.env("FAKE_PORT", &port).instances(2).deploy("health_timeout", "\"6s\""),
        &["Address already in use", "{port}"],
    );
}
