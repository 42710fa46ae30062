//! `mainstay scale`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("scale"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["scale", "web=2"]);
}

#[test]
fn numbers_that_are_none_are_usage_errors() {
    let place = crate::support::Place::with_app();
    for wrong in ["web", "web=0", "web=many", "Web=2"] {
        let said = place.run(&["scale", wrong]);
        assert!(said.contains("-> 1\n"), "{said}");
    }
    insta::assert_snapshot!(place.run(&["scale", "web=0"]));
}
