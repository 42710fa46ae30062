//! `mainstay events`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("events"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["events"]);
}

#[test]
fn it_tells_who_did_what_and_how_it_ended() {
    let place = crate::support::Place::with_app();
    let records = (
        "GET /v1/apps/assistant/production/events?limit=20",
        200,
        r#"[{"deploy":"01ARZ3NDEKTSV4RRFFQ69G5FAV","verb":"deploy","site":{"app":"assistant","env":"production"},"from":42,"to":43,"release":null,"operator":"alice","host":"here","started":"2026-01-01T00:00:00.000Z","ended":"2026-01-01T00:01:00.000Z","phase":"gate","outcome":"aborted","error":{"code":"x","message":"release 43 was not ready within 30 s"}}]"#,
    );
    let status = ("GET /v1/apps/assistant/production/status", 200, crate::support::STATUS);
    let webhooks = (
        "GET /v1/webhooks",
        200,
        r#"{"hooks":[],"dead":[{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV.aborted","event":"deploy.aborted","site":{"app":"assistant","env":"production"},"url":"https://hooks.example.com/a","at":"2026-01-02T00:01:00.000Z","why":"it answered 503, at the last of 36 tries"}]}"#,
    );
    place.keeper(&[records, status, webhooks]);
    insta::assert_snapshot!(place.run(&["events"]));
}
