//! `mainstay down`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("down"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["down"]);
}

#[test]
fn it_tells_the_steps_and_that_nothing_is_left() {
    let place = crate::support::Place::empty();
    let steps = "{\"message\":\"draining 3 streams\",\"done\":false}\n{\"message\":\"nothing is left\",\"done\":true}\n";
    place.keeper(&[("POST /v1/machine/down", 200, steps)]);
    insta::assert_snapshot!(place.run(&["down", "--within", "5s"]));
    assert_eq!(place.asked(), [r#"POST /v1/machine/down {"within":"5s"}"#]);
}

#[test]
fn an_end_that_was_not_told_is_no_success() {
    let place = crate::support::Place::empty();
    place.keeper(&[("POST /v1/machine/down", 200, "{\"message\":\"draining\",\"done\":false}\n")]);
    assert_eq!(place.code(&["down"]), 1);
}
