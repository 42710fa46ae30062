//! `mainstay secrets`.

use crate::support::{Place, help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("secrets"));
    for verb in ["set", "list", "rotate"] {
        insta::assert_snapshot!(Place::empty().run(&["secrets", verb, "--help"]));
    }
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["secrets", "list"]);
}

#[test]
fn it_lists_who_uses_what() {
    let place = Place::with_app();
    place.keeper(&[(
        "GET /v1/apps/assistant/production/secrets",
        200,
        r#"{"source":"/etc/mainstay/chat.age (age)","secrets":[{"name":"DATABASE_URL","is_set":true,"used_by":["web","migrate"],"waits_for_restart":true,"changed":"2026-01-01T00:00:00Z","changed_by":"alice","has_former":true},{"name":"OLD","is_set":true,"used_by":[],"waits_for_restart":false,"changed":null,"changed_by":null,"has_former":false},{"name":"TOKEN","is_set":false,"used_by":["web"],"waits_for_restart":false,"changed":null,"changed_by":null,"has_former":false}]}"#,
    )]);
    insta::assert_snapshot!(place.run(&["secrets", "list"]));
}

#[test]
fn a_value_as_an_argument_is_refused_and_not_shown() {
    let said = Place::with_app().run(&["secrets", "set", "TOKEN=hunter2"]);
    assert!(
        said.contains("bad-secret-name") && !said.split_once('\n').unwrap().1.contains("hunter2"),
        "{said}"
    );
}
