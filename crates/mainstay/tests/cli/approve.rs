//! `mainstay approve`.

use crate::support::{DEPLOY, Place, help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("approve"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["approve", DEPLOY]);
}

#[test]
fn it_says_that_the_deploy_goes_on() {
    let place = Place::with_app();
    place.keeper(&[("POST /v1/apps/assistant/production/approve", 204, "")]);
    insta::assert_snapshot!(place.run(&["approve", DEPLOY]));
}

#[test]
fn what_is_no_deploy_is_refused_before_anybody_is_asked() {
    assert_eq!(Place::with_app().code(&["approve", "the last one"]), 1);
}
