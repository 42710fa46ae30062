//! `mainstay rollback`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("rollback"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["rollback", "41"]);
}

#[test]
fn a_lock_that_somebody_holds_is_75() {
    let place = crate::support::Place::with_app();
    let locked = r#"{"code":"locked","message":"alice deploys release 43 since 12:00","now":"it is at gate","help":"`--wait 10m` waits for it; `mainstay cancel` ends it"}"#;
    place.keeper(&[("POST /v1/apps/assistant/production/rollback", 423, locked)]);
    insta::assert_snapshot!(place.run(&["rollback"]));
}
