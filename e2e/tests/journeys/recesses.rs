//! `strategy = "recreate"` under real requests: what served ends what it began and is gone before its successor starts; in
//! between visitors are told so; what fails leaves the old release serving again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use testkit::{FakeApp, Mainstay, http, mainstay::Said, wait};

use crate::serving_fake;

const SOON: Duration = Duration::from_secs(20);

fn recreated(app: &FakeApp) -> FakeApp {
    app.clone().next().deploy("strategy", "\"recreate\"")
}

/// Whose answers a visitor saw, one after the other: a release, or 0 for the page that says that there is none.
struct Visitor {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<u64>>,
}

impl Visitor {
    fn of(mainstay: &Mainstay, app: &FakeApp) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (to, host, ends) = (mainstay.http(), app.host_name().to_owned(), Arc::clone(&stop));
        let asking = thread::spawn(move || {
            let mut seen = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let answer = http::ask(to, &host, "GET", "/version", &[], &[]).expect("always an answer");
                let whose = match answer.status {
                    200 => answer.json()["release"].as_u64().expect("a release"),
                    503 => {
                        assert!(answer.header("retry-after").is_some(), "no time to come back");
                        assert!(
                            answer.text().contains("A new version is being put in place"),
                            "{}",
                            answer.text()
                        );
                        0
                    }
                    other => panic!("status {other}: {}", answer.text()),
                };
                if seen.last() != Some(&whose) {
                    seen.push(whose);
                }
            }
            seen
        });
        Self { stop, asking }
    }

    fn saw(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().expect("no strange answer")
    }
}

/// A stream of some seconds that must come to its end.
fn stream(mainstay: &Mainstay, app: &FakeApp) -> JoinHandle<bool> {
    let (to, host) = (mainstay.http(), app.host_name().to_owned());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let reading = thread::spawn(move || {
        let mut is_whole = false;
        let read = http::lines(to, &host, "/sse?n=15&ms=200", &[], |line| {
            let _ = begun.send(());
            is_whole |= line == "event: done";
            true
        });
        is_whole && read.is_ok()
    });
    has_begun.recv_timeout(SOON).expect("the stream begins");
    reading
}

/// The releases that had instances at once, at any look.
fn releases_at_once(mainstay: &Mainstay, app: &FakeApp, goes_on: impl Fn() -> bool) -> usize {
    let mut most = 0;
    while goes_on() {
        let names = mainstay.instances(&app.site()).into_keys();
        let releases: BTreeSet<String> =
            names.filter_map(|name| Some(name.split('.').nth(1)?.to_owned())).collect();
        most = most.max(releases.len());
    }
    most
}

fn deploy_watched(mainstay: &Mainstay, app: &FakeApp, more: &[&str]) -> Said {
    let deploy = app.start_deploy(mainstay, more);
    let ending = thread::spawn(move || deploy.wait());
    assert_eq!(releases_at_once(mainstay, app, || !ending.is_finished()), 1, "one release at a time");
    ending.join().expect("the deploy ends")
}

#[test]
fn a_recreated_release_starts_when_the_old_one_is_gone_and_the_downtime_is_told() {
    let (mainstay, app) = serving_fake();
    let next = recreated(&app);
    next.write();
    let planned = mainstay.cli_in(app.folder(), &["deploy", "--dry-run"]).expect_code(2);
    assert!(planned.all().contains("nobody is served from the stop of release 1"), "{planned}");
    let (open, visitor) = (stream(&mainstay, &app), Visitor::of(&mainstay, &app));
    let said = deploy_watched(&mainstay, &next, &[]).expect_code(0);
    assert!(said.all().contains("nobody was served for"), "{said}");
    assert_eq!(visitor.saw(), [1, 0, 2]);
    assert!(open.join().expect("read"), "what was open came to its end");
    let planned = {
        recreated(&next).write();
        mainstay.cli_in(app.folder(), &["deploy", "--dry-run"]).expect_code(2)
    };
    assert!(planned.all().contains("the last time that took"), "{planned}");
    let visitor = Visitor::of(&mainstay, &app);
    mainstay.cli_in(app.folder(), &["rollback"]).expect_code(0);
    assert_eq!(visitor.saw(), [2, 0, 1], "the way back is as careful");
}

#[test]
fn a_recreated_release_that_fails_leaves_the_old_one_serving_again() {
    let (mainstay, app) = serving_fake();
    let bad = recreated(&app).env("FAKE_STATUS", "500").deploy("smoke", "[{ get = \"/up\" }]");
    let visitor = Visitor::of(&mainstay, &app);
    let said = deploy_watched(&mainstay, &bad.deploy("health_timeout", "\"6s\""), &[]).expect_code(4);
    assert!(said.all().contains("nobody was served for"), "{said}");
    assert!(said.all().contains("release 1 serves again"), "{said}");
    assert_eq!(visitor.saw(), [1, 0, 1]);
    assert_eq!(mainstay.serving(&app.site()), 1);
}

#[test]
fn a_keeper_that_dies_while_nobody_is_served_brings_the_old_release_back() {
    let (mainstay, app) = serving_fake();
    let slow = recreated(&app).env("FAKE_BOOT_DELAY_MS", "8000");
    let visitor = Visitor::of(&mainstay, &app);
    let mut deploy = slow.start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("start");
    assert!(mainstay.status(&app.site())["recess"].is_string(), "status says it");
    mainstay.kill_keeper();
    deploy.wait().expect_code(4);
    wait::until("release 1 serves again", SOON, || {
        mainstay.get(app.host_name(), "/version").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(visitor.saw(), [1, 0, 1]);
}
