//! `mainstay releases`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("releases"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["releases"]);
}

#[test]
fn it_lists_what_can_be_returned_to() {
    let place = crate::support::Place::with_app();
    place.keeper(&[(
        "GET /v1/apps/assistant/production/releases",
        200,
        r#"[{"number":43,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","digest":"sha256:0123456789abcdef0123","created":"2026-01-01T00:00:00Z","operator":"alice","bytes":1048576,"state":"serving","schema":7}]"#,
    )]);
    insta::assert_snapshot!(place.run(&["releases"]));
}
