//! Ends on purpose: `down` drains for as long as it may, leaves nothing, and has nothing to complain of.

use std::{fs, time::Duration};

use testkit::{Mainstay, http, wait};

use crate::serving_fake;

/// Longer than the keeper's watchdog below.
const STREAM: &str = "/sse?n=60&ms=200";
const WATCHDOG: Duration = Duration::from_secs(5);

#[test]
fn a_stream_that_outlives_the_watchdog_reaches_its_end_while_everything_goes_down() {
    let (mut mainstay, app) = serving_fake();
    mainstay.kill_up();
    mainstay.watch_every(WATCHDOG);
    mainstay.up();
    let (to, host) = (mainstay.http(), app.host_name().to_owned());
    let reader = std::thread::spawn(move || {
        let accept = "accept: text/event-stream";
        http::ask(to, &host, "GET", STREAM, &[accept], &[])
    });
    wait::until("the stream is open", Duration::from_secs(15), || {
        mainstay.status(&app.site())["services"][0]["open"]["streams"] == 1
    });
    let keeper = mainstay.keeper_pid();
    mainstay.down_within(Duration::from_secs(60));
    let answer = reader.join().expect("no panic").expect("the stream was not cut");
    let events = answer.text().lines().filter(|line| line.starts_with("data:")).count();
    assert!(events >= 60, "all 60 events came, not {events}");
    assert!(!mainstay.log_text().contains("does not answer"), "the keeper {keeper} lived until its end");
    // An edge that has nothing to complain of writes nothing.
    let log = fs::read_to_string(mainstay.data().join("logs/edge/edge.log")).unwrap_or_default();
    assert!(!log.contains("nobody asked"), "a clean end leaves no complaint:\n{log}");
}

/// `down` says that everything has stopped a moment before its `up` is gone.
#[test]
fn mainstay_up_starts_directly_after_a_down() {
    let mut mainstay = Mainstay::start();
    for _ in 0..3 {
        // The keeper that ends may still answer for a moment.
        let old = mainstay.keeper_pid();
        mainstay.cli(&["down"]).expect_code(0);
        mainstay.up();
        wait::until("the next keeper answers", Duration::from_secs(15), || mainstay.keeper_pid() != old);
    }
    mainstay.down();
}
