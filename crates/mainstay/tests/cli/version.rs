//! `mainstay version`.

use crate::support::{Place, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("version"));
}

#[test]
fn it_is_told_in_words_and_in_json() {
    let place = Place::empty();
    assert!(place.run(&["version"]).contains("mainstay 0."));
    assert!(place.run(&["version", "--json"]).contains("\"api\":1"));
}
