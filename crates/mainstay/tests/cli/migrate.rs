//! `mainstay migrate`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("migrate"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["migrate", "status"]);
}

#[test]
fn it_tells_the_schema_and_what_is_held() {
    let place = crate::support::Place::with_app();
    place.keeper(&[(
        "GET /v1/apps/assistant/production/migrate",
        200,
        r#"{"data":{"version":43,"floor":42},"serving":42,"held":{"code":"migration-held","message":"the migration to schema 44 failed half-way","help":"`mainstay migrate retry` or `mainstay migrate down`"}}"#,
    )]);
    insta::assert_snapshot!(place.run(&["migrate", "status"]));
}
