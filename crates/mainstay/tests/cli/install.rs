//! `mainstay install`, as far as it changes no machine; the rest is shown in guests.

use std::fs;

use crate::support::{Place, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("install"));
}

#[test]
fn a_data_folder_is_not_the_services() {
    let place = Place::empty();
    insta::assert_snapshot!(place.run(&["install"]));
}

#[test]
fn the_files_of_a_package_are_written_below_a_folder_and_nowhere_else() {
    let place = Place::empty();
    let said = place.run(&["install", "--stage", "package"]);
    assert!(said.contains("wrote package/usr/lib/systemd/system/mainstay.service"), "{said}");
    for name in ["lib/systemd/system/mainstay-keeper.service", "share/man/man1/mainstay.1"] {
        assert!(place.path().join("package/usr").join(name).is_file(), "{name}");
    }
    let read = |name: &str| fs::read(place.path().join("package/usr").join(name)).unwrap();
    let before = read("share/bash-completion/completions/mainstay");
    assert_eq!(place.code(&["install", "--stage", "package"]), 0, "again");
    assert_eq!(read("share/bash-completion/completions/mainstay"), before);
    place.put("file", "");
    let refused = place.run(&["install", "--stage", "file/below"]);
    assert!(refused.contains("-> 1") && refused.contains("[cannot-write]"), "{refused}");
}
