//! `mainstay resume`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("resume"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["resume"]);
}

const RESUME: (&str, u16, &str) = ("POST /v1/apps/assistant/production/resume", 204, "");
const MIGRATE: &str = "GET /v1/apps/assistant/production/migrate";

#[test]
fn it_says_that_deploys_may_go_on() {
    let place = crate::support::Place::with_app();
    place.keeper(&[RESUME, (MIGRATE, 200, r#"{"data":{"version":43,"floor":42},"serving":42,"held":null}"#)]);
    insta::assert_snapshot!(place.run(&["resume"]));
}

#[test]
fn it_says_that_a_migration_is_held_and_claims_nothing_else() {
    let place = crate::support::Place::with_app();
    let held = r#"{"data":{"version":43,"floor":42},"serving":42,"held":{"code":"migration-held","message":"the migration to schema 44 failed half-way","help":"`mainstay migrate retry` or `mainstay migrate down`"}}"#;
    place.keeper(&[RESUME, (MIGRATE, 200, held)]);
    insta::assert_snapshot!(place.run(&["resume"]));
}
