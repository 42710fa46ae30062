//! `mainstay destroy`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("destroy"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["destroy", "--yes", "assistant/production"]);
}

#[test]
fn without_the_words_nothing_is_destroyed() {
    let place = crate::support::Place::with_app();
    place.keeper(&[("POST /v1/apps/assistant/production/destroy", 204, "")]);
    insta::assert_snapshot!(place.run(&["destroy"]));
    assert_eq!(place.code(&["destroy", "--yes", "assistant/staging"]), 1);
    assert_eq!(place.asked(), Vec::<String>::new());
    insta::assert_snapshot!(place.run(&["destroy", "--yes", "assistant/production"]));
    assert_eq!(
        place.asked(),
        [
            r#"POST /v1/apps/assistant/production/destroy {"confirm":"assistant/production","with_data":false}"#,
            // Where it says that data stays.
            "GET /v1/machine",
        ]
    );
}
