//! `mainstay report`.

use crate::support::{Place, help, without_a_keeper};

const RECORDS: (&str, u16, &str) = (
    "GET /v1/apps/assistant/production/events?limit=200",
    200,
    r#"[{"deploy":"01ARZ3NDEKTSV4RRFFQ69G5FAV","verb":"deploy","site":{"app":"assistant","env":"production"},"from":42,"to":43,"release":null,"operator":"alice","host":"here","started":"2026-01-01T00:00:00.000Z","ended":"2026-01-01T00:01:00.000Z","phase":"gate","outcome":"aborted","error":{"code":"x","message":"release 43 was not ready within 30 s"}}]"#,
);

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("report"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["report"]);
}

#[test]
fn it_tells_each_phase_with_its_time() {
    let place = Place::with_app();
    let events = concat!(
        r#"{"seq":1,"at":"2026-01-01T00:00:00.000Z","kind":{"entered":{"phase":"start"}}}"#,
        "\n",
        r#"{"seq":2,"at":"2026-01-01T00:00:02.000Z","kind":{"note":{"phase":"start","message":"web.43.1 is up (1.9 s)"}}}"#,
        "\n",
        r#"{"seq":3,"at":"2026-01-01T00:00:02.500Z","kind":{"entered":{"phase":"gate"}}}"#,
        "\n",
        r#"{"seq":4,"at":"2026-01-01T00:01:00.000Z","kind":{"ended":{"outcome":"aborted","serving":42,"error":null,"report":["a line"]}}}"#,
        "\n",
    );
    let path = "GET /v1/apps/assistant/production/deploys/01ARZ3NDEKTSV4RRFFQ69G5FAV/events?from=0";
    place.keeper(&[RECORDS, (path, 200, events), RECORDS]);
    insta::assert_snapshot!(place.run(&["report", "01arz"]));
    insta::assert_snapshot!(place.run(&["report", "02"]));
}
