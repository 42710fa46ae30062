//! `mainstay status`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("status"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["status"]);
}

#[test]
fn it_tells_what_serves_and_what_runs() {
    let place = crate::support::Place::with_app();
    place.keeper(&[("GET /v1/apps/assistant/production/status", 200, crate::support::STATUS)]);
    insta::assert_snapshot!(place.run(&["status"]));
}

#[test]
fn without_a_manifest_it_tells_of_the_machine() {
    let place = crate::support::Place::empty();
    place.keeper(&[("GET /v1/apps", 200, "[]")]);
    insta::assert_snapshot!(place.run(&["status"]));
}

#[test]
fn a_manifest_with_mistakes_keeps_nobody_from_looking() {
    let place = crate::support::Place::with_app();
    place.put("mainstay.toml", "[app]\nname = \"assistant\"\nbroken = \n");
    place.keeper(&[("GET /v1/apps/assistant/production/status", 200, crate::support::STATUS)]);
    assert_eq!(place.code(&["status"]), 0);
}

#[test]
fn an_app_that_the_keeper_does_not_know_is_told_in_its_words() {
    let place = crate::support::Place::with_app();
    place.keeper(&[]);
    insta::assert_snapshot!(place.run(&["status", "--env", "staging"]));
}
