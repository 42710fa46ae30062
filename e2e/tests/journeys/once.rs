//! A start is asked once, however often it is sent: the run of a keeper that dies before it answers is ended by the next one,
//! and whoever asked learns that end.

use std::time::Duration;

use serde_json::Value;
use testkit::{FakeApp, Mainstay, http, mainstay::Said, wait};

use crate::serving_fake;

/// How soon another keeper has ended what one left.
const ENDED_WITHIN: Duration = Duration::from_secs(60);
/// From the first record on, and before the answer can have reached a client: the last one at the latest.
const PLACES: [&str; 3] = ["deploy-lock", "deploy-begun", "deploy-preflight"];

/// Newest first, once nothing is under way.
fn records(mainstay: &Mainstay, app: &FakeApp) -> Vec<Value> {
    wait::value("every run has ended", ENDED_WITHIN, || {
        let told = mainstay.api(&format!("/v1/apps/{}/events?limit=100", app.site()))?;
        let records = told.as_array()?.clone();
        records.iter().all(|record| !record["outcome"].is_null()).then_some(records)
    })
}

fn entered(said: &Said) -> Vec<String> {
    let phase = |line: Value| Some(line["kind"]["entered"]["phase"].as_str()?.to_owned());
    said.json_lines().into_iter().filter_map(phase).collect()
}

#[test]
fn a_client_whose_keeper_dies_before_it_answers_learns_the_end_of_the_run() {
    if !cfg!(debug_assertions) {
        println!("a release build dies nowhere by itself");
        return;
    }
    let (mut mainstay, app) = serving_fake();
    for place in PLACES {
        let before = records(&mainstay, &app).len();
        mainstay.die_at(place);
        let said = mainstay.cli_in(app.folder(), &["restart", "--json"]);
        assert!(!mainstay.is_deadly(place), "nobody died at {place}:\n{said}");
        let records = records(&mainstay, &app);
        assert_eq!(records.len(), before + 1, "one run, asked twice: {records:?}");
        let run = &records[0];
        let phases = entered(&said);
        assert_eq!(phases.last().map(String::as_str), run["phase"].as_str(), "died at {place}:\n{said}");
        let had_begun = phases.len() > 2;
        let code = if had_begun { 4 } else { 1 };
        assert_eq!((said.code, &run["outcome"]), (code, &"aborted".into()), "died at {place}:\n{said}");
        assert_eq!(mainstay.serving(&app.site()), 1);
        let told = said.out.matches("keeper went away").count();
        if place == "deploy-preflight" {
            // The answer may have come before: then a keeper that is back within seconds is waited for without a word.
            assert!(told <= 1, "{said}");
            assert_eq!(phases, ["plan", "lock", "preflight"], "{said}");
        } else {
            assert_eq!(told, 1, "died at {place}:\n{said}");
        }
    }
    // One that has ended before the answer is a run all the same.
    let before = records(&mainstay, &app).len();
    mainstay.die_at("deploy-begun");
    let said = mainstay.cli_in(app.folder(), &["scale", "web=2"]).expect_code(0);
    assert!(!mainstay.is_deadly("deploy-begun"), "nobody died:\n{said}");
    assert!(said.out.contains("keeper went away") && said.out.contains("Nothing had to change"), "{said}");
    assert_eq!(records(&mainstay, &app).len(), before + 1);
    mainstay.down();
}

#[test]
fn a_start_that_is_sent_twice_under_one_key_is_one_run() {
    let (mut mainstay, app) = serving_fake();
    let before = records(&mainstay, &app).len();
    let socket = mainstay.run_folder().join("api.sock");
    let post = |verb: &str, key: &str| {
        let path = format!("/v1/apps/{}/{verb}", app.site());
        let head = ["content-type: application/json", &format!("Idempotency-Key: {key}")];
        http::ask_unix_with(&socket, "POST", &path, &head, b"{}").expect("the keeper answers")
    };
    let first = post("restart", "8e03978e-40d5-43dd-bc93-6894a57f9324");
    assert_eq!(first.status, 200, "{}", first.text());
    let again = post("restart", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    assert_eq!((again.status, again.json()), (200, first.json()), "while it runs");
    assert_eq!(post("restart", "another").status, 423, "another request finds the lock held");
    let ended = records(&mainstay, &app);
    assert_eq!((ended.len(), &ended[0]["deploy"]), (before + 1, &first.json()["deploy"]));
    mainstay.kill_keeper();
    let again = post("restart", "8e03978e-40d5-43dd-bc93-6894a57f9324");
    assert_eq!((again.status, again.json()), (200, first.json()), "when it has ended, by another keeper");
    let other = post("rollback", "8e03978e-40d5-43dd-bc93-6894a57f9324");
    assert_eq!((other.status, other.json()["code"].as_str()), (422, Some("request-key-used")));
    let bad = post("restart", "no key");
    assert_eq!((bad.status, bad.json()["code"].as_str()), (400, Some("bad-request-key")));
    assert_eq!(records(&mainstay, &app).len(), before + 1, "one run of five requests");
    mainstay.down();
}
