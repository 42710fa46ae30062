//! `mainstay apps`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("apps"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["apps"]);
}

#[test]
fn it_lists_what_lives_here() {
    let place = crate::support::Place::empty();
    place.keeper(&[(
        "GET /v1/apps",
        200,
        r#"[{"site":{"app":"assistant","env":"production"},"serving":43,"instances_ready":2,"instances_wanted":2,"urls":["http://127.0.0.1:8080/"],"state":"serving"},{"site":{"app":"assistant","env":"staging"},"serving":null,"instances_ready":0,"instances_wanted":0,"urls":[],"state":"empty"}]"#,
    )]);
    insta::assert_snapshot!(place.run(&["apps"]));
}
