//! `mainstay attach`.

use crate::support::{ABORTED, DEPLOY, Place, STATUS, events, help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("attach"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["attach"]);
}

#[test]
fn it_watches_what_another_began_and_ends_with_its_code() {
    let place = Place::with_app();
    let underway = format!(
        r#""deploy":{{"deploy":"{DEPLOY}","to":43,"phase":"gate","operator":"alice","since":"2026-01-01T00:00:00Z"}}"#
    );
    place.keeper(&[
        ("GET /v1/apps/assistant/production/status", 200, &STATUS.replace("\"deploy\":null", &underway)),
        ("GET /v1/apps/assistant/production/deploys/", 200, &events(&["plan", "preflight", "gate"], ABORTED)),
    ]);
    let said = place.run(&["attach"]);
    assert!(said.contains("-> 4\n") && said.contains("Watching assistant/production: release 43"), "{said}");
}

#[test]
fn what_waits_for_another_operator_is_shown_with_the_command() {
    let place = Place::with_app();
    let underway = format!(
        r#""deploy":{{"deploy":"{DEPLOY}","verb":"deploy","to":44,"phase":"approve","operator":"alice","since":"2026-01-01T00:00:00Z","approval":{{"command":"mainstay approve {DEPLOY}","until_unix_ms":1767312000000}}}}"#
    );
    place.keeper(&[(
        "GET /v1/apps/assistant/production/status",
        200,
        &STATUS.replace("\"deploy\":null", &underway),
    )]);
    let said = place.run(&["status"]);
    assert!(
        said.contains("waits for another operator until")
            && said.contains(&format!("`mainstay approve {DEPLOY}`")),
        "{said}"
    );
    let said = place.run(&["status", "--json"]);
    assert!(said.contains("until_unix_ms"), "{said}");
}

#[test]
fn where_nothing_was_deployed_there_is_nothing_to_watch() {
    let place = Place::with_app();
    place.keeper(&[("GET /v1/apps/assistant/production/status", 200, STATUS)]);
    assert_eq!(place.code(&["attach"]), 1);
}
