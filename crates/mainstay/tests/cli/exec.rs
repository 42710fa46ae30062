//! `mainstay exec`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("exec"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["exec", "web.42.1", "--", "id"]);
}

#[test]
fn a_name_that_is_no_instance_is_a_usage_error() {
    insta::assert_snapshot!(crate::support::Place::empty().run(&["exec", "web", "--", "id"]));
}
