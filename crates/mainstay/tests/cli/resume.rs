//! `mainstay resume`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("resume"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["resume"]);
}

#[test]
fn it_says_that_deploys_may_go_on() {
    let place = crate::support::Place::with_app();
    place.keeper(&[("POST /v1/apps/assistant/production/resume", 204, "")]);
    insta::assert_snapshot!(place.run(&["resume"]));
}
