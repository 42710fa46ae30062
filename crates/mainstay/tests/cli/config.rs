//! `mainstay config`.

use crate::support::{Place, SMALL, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("config"));
    insta::assert_snapshot!(Place::empty().run(&["config", "show", "--help"]));
}

#[test]
fn an_environment_is_merged() {
    let place = Place::with_app();
    place.put("mainstay.toml", &format!("{SMALL}[environment.staging.service.web]\ninstances = 3\n"));
    insta::assert_snapshot!(place.run(&["config", "show", "--env", "staging"]));
}

#[test]
fn effective_shows_every_default() {
    insta::assert_snapshot!(Place::with_app().run(&["config", "show", "--effective"]));
}

#[test]
fn what_is_shown_can_be_used_as_it_is() {
    for args in
        [&["config", "show", "--effective"][..], &["config", "show", "--effective", "--env", "staging"]]
    {
        let place = Place::with_app();
        place.put("mainstay.toml", &format!("{SMALL}[environment.staging.service.web]\ninstances = 3\n"));
        let json = |place: &Place| body(&place.run(&[args, &["--json"]].concat()));
        let meant = json(&place);
        place.put("mainstay.toml", &body(&place.run(args)));
        assert_eq!(json(&place), meant);
        assert_ne!(meant, "", "{args:?}");
    }
    let place = Place::empty();
    place.put("data/machine.toml", "ports = \"21000-21999\"\n");
    let json = |place: &Place| body(&place.run(&["config", "show", "--machine", "--json"]));
    let meant = json(&place);
    place.put("data/machine.toml", &body(&place.run(&["config", "show", "--machine"])));
    assert_eq!(json(&place), meant);
}

/// What a command said, without the line that tells the command and its code.
fn body(said: &str) -> String {
    let (head, body) = said.split_once('\n').unwrap();
    assert!(head.ends_with("-> 0"), "{said}");
    body.to_owned()
}

#[test]
fn the_machines_file_is_shown_with_every_default() {
    let place = Place::empty();
    place.put("data/machine.toml", "ports = \"21000-21999\"\n");
    insta::assert_snapshot!(place.run(&["config", "show", "--machine"]));
}

#[test]
fn mistakes_are_told_one_by_one() {
    let place = Place::with_app();
    place.put("mainstay.toml", &SMALL.replace("listen =", "lisen =").replace("\"/ready\"", "\"ready\""));
    insta::assert_snapshot!(place.run(&["config", "show"]));
}

#[test]
fn mistakes_have_their_place_in_json() {
    let place = Place::with_app();
    place.put("mainstay.toml", &SMALL.replace("listen =", "lisen ="));
    let said = place.run(&["config", "show", "--json"]);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let place = &last["error"]["place"];
    assert_eq!((&place["line"], &place["column"]), (&8.into(), &1.into()), "{said}");
}
