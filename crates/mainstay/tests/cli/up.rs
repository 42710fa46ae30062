//! `mainstay up`: its words; what it does is shown by the journeys.

use crate::support::help;

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("up"));
}
