//! A clock that somebody sets, by a day, in the middle of things.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    guest::{Guest, Job},
    service::{self, App},
};

/// What the clock shows when the journey begins.
const NOON: &str = "date -s '2027-03-10 12:00:00 UTC'";
/// Before a time of the nightly jobs that the clock had passed already, when it was wrong.
const NIGHT: &str = "date -s '2027-03-11 02:59:55 UTC'";
const A_DAY_S: i64 = 24 * 3600;
const BAKE_TIME: &str = "4s";
/// Of the bake, without what is lost between the guest's word and the test's ear.
const BAKES_AT_LEAST: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(60);
/// An answer of the old release that takes longer than it is needed: the drain waits for its end.
const STREAM: &str = "curl -sSN --fail -H 'Host: fake.test' 'http://127.0.0.1/sse?ms=250&n=110'";

/// Each run leaves the second in which it began.
const JOBS: &str = r#"
[service.ticks]
command = ["/bin/sh", "-c", "date +%s >>{shared_dir}/state/ticks"]
schedule = "*/5 * * * * *"
catch_up = "none"

[service.nightly]
command = ["/bin/sh", "-c", "date +%s >>{shared_dir}/state/nightly"]
schedule = "0 3 * * *"

[service.strict]
command = ["/bin/sh", "-c", "date +%s >>{shared_dir}/state/strict"]
schedule = "0 3 * * *"
catch_up = "none"
"#;

#[test]
fn a_clock_that_is_set_by_a_day_ends_no_bake_no_drain_and_no_answer_and_repeats_no_job() {
    let guest = Guest::boot();
    guest.ok(NOON);
    service::install(&guest);
    let app = App { tables: JOBS.to_owned(), bake_time: Some(BAKE_TIME) };
    app.deploy(&guest, "one");
    let keeper = guest.ok("systemctl show -P MainPID mainstay-keeper");
    let judge = service::judge(&guest, 0);

    deploy_while_the_clock_is_set(&guest, &app, "two", [A_DAY_S, -A_DAY_S]);
    // The night of the eleventh was left out, by a clock that was wrong.
    ran(&guest, "nightly", 1);
    deploy_while_the_clock_is_set(&guest, &app, "three", [-A_DAY_S, A_DAY_S]);
    // The night of the tenth lies between noon of the ninth and noon of the tenth.
    ran(&guest, "nightly", 2);
    assert!(outcomes(&guest, "strict").contains("missed"), "what was left out is told");
    guest.ok(NIGHT);
    // What ran late for this night does not run again, and what did not, does.
    ran(&guest, "strict", 1);
    ran(&guest, "nightly", 2);

    service::enough(&guest, judge);
    assert_eq!(guest.ok("systemctl show -P MainPID mainstay-keeper"), keeper, "no watchdog bit");
    let ticks = times(&guest, "ticks");
    assert_eq!(ticks.iter().collect::<BTreeSet<_>>().len(), ticks.len(), "a time came twice: {ticks:?}");
    everything_is_told(&guest);
}

/// One step in the bake and one in the drain, in seconds; both take the time that they should.
fn deploy_while_the_clock_is_set(guest: &Guest, app: &App, label: &str, [in_bake, in_drain]: [i64; 2]) {
    app.place(guest, label);
    let old = service::serving(guest);
    let deploy = guest.start(service::DEPLOY_WITH_EVENTS);
    deploy.says(&service::entered("start"), SOON);
    let stream = guest.start(STREAM);
    deploy.says(&service::entered("bake"), service::DEPLOYS_WITHIN);
    let baking = Instant::now();
    let serving = instances(guest);
    set(guest, in_bake);
    deploy.says(&service::entered("drain"), service::DEPLOYS_WITHIN);
    assert!(baking.elapsed() >= BAKES_AT_LEAST, "the bake ended after {:?}", baking.elapsed());
    set(guest, in_drain);
    ends_with_its_last_event(stream);
    let said = deploy.end(service::DEPLOYS_WITHIN);
    assert_eq!(said.status, 0, "{said}");
    assert_eq!(service::serving(guest), old + 1);
    // A deploy does not wait for the end of what it has replaced.
    guest.until("the old ones are stopped", SOON, "test $(pidof fakeapp | wc -w) -eq 2");
    let left = instances(guest);
    assert!(left.is_subset(&serving) && left.len() == 2, "none was started anew: {serving:?}, then {left:?}");
}

fn ends_with_its_last_event(stream: Job<'_>) {
    let said = stream.end(service::DEPLOYS_WITHIN);
    assert_eq!(said.status, 0, "{said}");
    assert!(said.text.contains("event: done"), "it was cut: {said}");
}

/// Moves the clock and waits until a job has run by what it shows.
fn set(guest: &Guest, by_s: i64) {
    guest.ok(&format!("date -s @$(($(date +%s) + {by_s}))"));
    guest.ok("mainstay --app fake status >/dev/null && mainstay --app fake events >/dev/null");
    guest.until(
        "the schedule goes on from what the clock shows",
        SOON,
        &format!(
            "ran=$(tail -1 {}); now=$(date +%s); test $ran -le $now -a $ran -gt $((now - 60))",
            state("ticks")
        ),
    );
}

/// So many runs, and no more.
fn ran(guest: &Guest, job: &str, runs: usize) {
    guest.until(
        &format!("{job} ran {runs} times"),
        SOON,
        &format!("test $(cat {} | wc -l) -ge {runs}", state(job)),
    );
    assert_eq!(times(guest, job).len(), runs, "{job}");
}

fn state(job: &str) -> String {
    format!("/var/lib/mainstay/apps/fake/production/shared/state/{job}")
}

/// In the order in which the runs began.
fn times(guest: &Guest, job: &str) -> Vec<i64> {
    guest.ok(&format!("cat {}", state(job))).lines().map(|line| line.parse().expect("a time")).collect()
}

/// How the runs of a job ended that are remembered.
fn outcomes(guest: &Guest, job: &str) -> BTreeSet<String> {
    let status = service::status(guest);
    let jobs = status["schedules"].as_array().cloned().unwrap_or_default();
    let past = jobs.iter().filter(|known| known["service"] == job).filter_map(|job| job["past"].as_array());
    past.flatten().filter_map(|run| run["outcome"].as_str().map(str::to_owned)).collect()
}

/// Pids of the fake app's processes.
fn instances(guest: &Guest) -> BTreeSet<String> {
    guest.ok("pidof fakeapp").split_whitespace().map(str::to_owned).collect()
}

/// What an operator reads afterwards: each deploy, and that nothing was restarted.
fn everything_is_told(guest: &Guest) {
    let read = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let events = guest.ok("mainstay --app fake events -n 100 --json");
    let deploys: Vec<_> = events.lines().map(read).filter(|event| event["verb"] == "deploy").collect();
    assert_eq!(deploys.len(), 3, "{events}");
    assert!(deploys.iter().all(|deploy| deploy["outcome"] == "served"), "{events}");
    let machine = read(&guest.ok("mainstay status --machine --json"));
    assert_eq!(machine["machine"]["edge"]["restarts"], 0, "{machine:#}");
}
