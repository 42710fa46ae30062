//! `mainstay man`.

use crate::support::{Place, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("man"));
}

#[test]
fn every_command_has_its_page() {
    let place = Place::empty();
    assert_eq!(place.code(&["man", "pages"]), 0);
    for page in ["mainstay.1", "mainstay-deploy.1", "mainstay-migrate-retry.1"] {
        assert!(place.path().join("pages").join(page).is_file(), "{page}");
    }
}
