//! `mainstay run`.

use crate::support::{Place, frame, help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("run"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["run", "--", "id"]);
}

#[test]
fn it_passes_the_output_on_and_ends_as_the_command_ended() {
    let place = Place::with_app();
    let frames = [frame(1, "one\ntwo"), frame(2, "oh\n"), frame(3, r#"{"code":7,"signal":null}"#)].concat();
    place.keeper(&[("POST /v1/apps/assistant/production/run", 101, &frames)]);
    insta::assert_snapshot!(place.run(&["run", "--service", "web", "--", "node", "x.js", "--flag"]));
    assert_eq!(
        place.asked(),
        [
            r#"POST /v1/apps/assistant/production/run {"argv":["node","x.js","--flag"],"service":"web","terminal":null}"#
        ]
    );
}

#[test]
fn a_signal_gives_128_and_its_number() {
    let place = Place::with_app();
    let frames = frame(3, r#"{"code":null,"signal":9}"#);
    place.keeper(&[("POST /v1/apps/assistant/production/run", 101, &frames)]);
    assert_eq!(place.code(&["run", "--", "x"]), 137);
}

#[test]
fn json_is_a_line_each_with_the_exit_last() {
    let place = Place::with_app();
    let frames = [frame(1, "one\ntwo"), frame(3, r#"{"code":0,"signal":null}"#)].concat();
    place.keeper(&[("POST /v1/apps/assistant/production/run", 101, &frames)]);
    insta::assert_snapshot!(place.run(&["run", "--json", "--", "x"]));
}

#[test]
fn output_without_an_exit_is_a_failure_that_says_what_may_be_true() {
    let place = Place::with_app();
    place.keeper(&[("POST /v1/apps/assistant/production/run", 101, &frame(1, "one\n"))]);
    insta::assert_snapshot!(place.run(&["run", "--", "x"]));
}

#[test]
fn a_terminal_that_is_not_there_is_told_before_anything_is_asked() {
    let place = Place::with_app();
    place.keeper(&[]);
    insta::assert_snapshot!(place.run(&["run", "--tty", "--", "sh"]));
    assert!(place.asked().is_empty());
}
