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

#[test]
fn a_domain_is_the_route_of_who_takes_requests_and_is_by_tls() {
    let place = Place::empty();
    place.put("Procfile", "web: ./serve $PORT\nworker: ./work\n");
    assert_eq!(place.code(&["init", "--app", "shop", "--domain", "Shop.example.com"]), 0);
    let file = std::fs::read_to_string(place.path().join("mainstay.toml")).unwrap();
    assert!(file.contains("hosts = [\"shop.example.com\"]\nservice = \"web\"\ntls = \"required\""), "{file}");
    assert_eq!(place.code(&["config", "show"]), 0);
    for (wrong, code) in [("https://shop.example.com", "bad-host"), ("a b", "bad-host")] {
        let said = place.run(&["init", "--force", "--domain", wrong]);
        assert!(said.contains(code) && said.contains("nothing was written"), "{said}");
    }
    place.put("Procfile", "worker: ./work\n");
    let said = place.run(&["init", "--force", "--domain", "shop.example.com"]);
    assert!(said.contains("no-web-service"), "{said}");
}
