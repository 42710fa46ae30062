//! `mainstay run`.

use crate::support::{help, without_a_keeper};

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
    let place = crate::support::Place::with_app();
    let frames = concat!(
        "{\"stdout\":{\"text\":\"one\\ntwo\"}}\n",
        "{\"stderr\":{\"text\":\"oh\\n\"}}\n",
        "{\"exit\":{\"code\":7,\"signal\":null}}\n"
    );
    place.keeper(&[("POST /v1/apps/assistant/production/run", 200, frames)]);
    insta::assert_snapshot!(place.run(&["run", "--service", "web", "--", "node", "x.js", "--flag"]));
    assert_eq!(
        place.asked(),
        [r#"POST /v1/apps/assistant/production/run {"argv":["node","x.js","--flag"],"service":"web"}"#]
    );
}

#[test]
fn a_signal_gives_128_and_its_number() {
    let place = crate::support::Place::with_app();
    place.keeper(&[(
        "POST /v1/apps/assistant/production/run",
        200,
        "{\"exit\":{\"code\":null,\"signal\":9}}\n",
    )]);
    assert_eq!(place.code(&["run", "--", "x"]), 137);
}

#[test]
fn output_without_an_exit_is_a_failure() {
    let place = crate::support::Place::with_app();
    place.keeper(&[("POST /v1/apps/assistant/production/run", 200, "{\"stdout\":{\"text\":\"one\"}}\n")]);
    assert_eq!(place.code(&["run", "--", "x"]), 1);
}
