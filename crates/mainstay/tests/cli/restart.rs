//! `mainstay restart`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("restart"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["restart", "web"]);
}

#[test]
fn it_is_watched_to_its_end() {
    let place = crate::support::Place::with_app();
    let events = crate::support::events(&["plan", "start", "gate", "switch"], crate::support::SERVED);
    place.keeper(&[
        ("POST /v1/apps/assistant/production/restart", 200, &crate::support::started()),
        ("GET /v1/apps/assistant/production/deploys/", 200, &events),
        ("GET /v1/apps/assistant/production/status", 200, crate::support::STATUS),
    ]);
    insta::assert_snapshot!(place.run(&["restart"]));
}
