//! `mainstay uninstall`, as far as it changes no machine; the rest is shown in guests.

use crate::support::{Place, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("uninstall"));
}

#[test]
fn a_data_folder_is_not_the_services() {
    let place = Place::empty();
    insta::assert_snapshot!(place.run(&["uninstall", "--purge", "--yes", "web1"]));
    assert!(place.path().join("data").is_dir());
}

#[test]
fn a_confirmation_is_of_a_purge_alone() {
    assert_eq!(Place::empty().code(&["uninstall", "--yes", "web1"]), 1);
}
