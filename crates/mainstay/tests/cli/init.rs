//! `mainstay init`.

use crate::support::{Place, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("init"));
}

#[test]
fn it_writes_once_and_says_what_it_guessed() {
    let place = Place::empty();
    place.put("Procfile", "web: ./serve $PORT\n");
    let said = place.run(&["init", "--app", "shop"]);
    insta::assert_snapshot!(said);
    insta::assert_snapshot!(place.run(&["init", "--app", "shop"]));
    let file = std::fs::read_to_string(place.path().join("mainstay.toml")).unwrap();
    assert!(file.contains("command = [\"./serve\", \"{port}\"]"), "{file}");
    assert_eq!(place.code(&["init", "--force"]), 0);
    assert_eq!(place.code(&["config", "show"]), 0);
}

#[test]
fn print_writes_nothing() {
    let place = Place::empty();
    let said = place.run(&["init", "--print"]);
    assert!(said.contains("manifest = 1"), "{said}");
    assert!(!place.path().join("mainstay.toml").exists());
}
