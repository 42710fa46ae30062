//! `mainstay upgrade`.

use crate::support::{Place, help, without_a_keeper};

const UPGRADES: &str = "POST /v1/machine/upgrades";

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("upgrade"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["upgrade", "--back"]);
}

#[test]
fn a_file_or_back_is_needed_and_not_both() {
    let place = Place::empty();
    assert_eq!(place.code(&["upgrade"]), 1);
    assert_eq!(place.code(&["upgrade", "mainstay", "--back"]), 1);
}

#[test]
fn a_dry_run_says_what_would_be_replaced() {
    let place = Place::empty();
    let planned = r#"{"from":{"version":"0.2.0","digest":"sha256:0123456789ab"},"to":{"version":"0.1.0","digest":"sha256:ba9876543210"},"path":"/usr/local/bin/mainstay","same":false}"#;
    place.keeper(&[(UPGRADES, 200, planned)]);
    insta::assert_snapshot!(place.run(&["upgrade", "--back", "--dry-run"]));
    assert!(place.asked().iter().any(|asked| asked.contains(r#""what":"previous","dry_run":true"#)));
}
