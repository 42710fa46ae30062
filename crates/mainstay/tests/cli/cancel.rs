//! `mainstay cancel`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("cancel"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["cancel"]);
}

#[test]
fn it_says_how_the_deploy_will_end() {
    let place = crate::support::Place::with_app();
    let cancelled = r#"{"deploy":"01ARZ3NDEKTSV4RRFFQ69G5FAV","phase":"bake","outcome":"rolled_back"}"#;
    place.keeper(&[("POST /v1/apps/assistant/production/cancel", 200, cancelled)]);
    insta::assert_snapshot!(place.run(&["cancel"]));
}
