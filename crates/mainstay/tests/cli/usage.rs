//! What all commands share: usage errors, the help of the whole, choosing the app.

use crate::support::{Place, STATUS};

#[test]
fn the_help_shows_every_command() {
    insta::assert_snapshot!(Place::empty().run(&["--help"]));
}

#[test]
fn a_usage_error_is_1_and_never_2() {
    let place = Place::empty();
    for wrong in [
        &["deplyo"][..],
        &["deploy", "--relase", "1"],
        &["deploy", "--release", "x"],
        &["--env", "Prod", "status"],
        &[],
    ] {
        let said = place.run(wrong);
        assert!(said.contains("-> 1\n"), "{said}");
    }
    insta::assert_snapshot!(place.run(&["deplyo"]));
    insta::assert_snapshot!(place.run(&["status", "--env", "Prod"]));
}

#[test]
fn the_only_app_of_the_machine_is_meant_where_nothing_names_one() {
    let place = Place::empty();
    let app = |site: &str| {
        format!(
            r#"{{"site":{},"serving":1,"instances_ready":1,"instances_wanted":1,"urls":[],"state":"serving"}}"#,
            site_json(site)
        )
    };
    place.keeper(&[
        ("GET /v1/apps/shop/production/releases", 200, "[]"),
        ("GET /v1/apps", 200, &format!("[{},{}]", app("shop/production"), app("chat/staging"))),
    ]);
    assert_eq!(place.code(&["releases"]), 0);
}

#[test]
fn one_of_several_apps_must_be_named() {
    let place = Place::empty();
    let app = |site: &str| {
        format!(
            r#"{{"site":{},"serving":1,"instances_ready":1,"instances_wanted":1,"urls":[],"state":"serving"}}"#,
            site_json(site)
        )
    };
    place.keeper(&[(
        "GET /v1/apps",
        200,
        &format!("[{},{}]", app("shop/production"), app("chat/production")),
    )]);
    insta::assert_snapshot!(place.run(&["releases"]));
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let said = Place::with_app().run(&["apps", "--json"]);
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "no-keeper");
}

#[test]
fn usage_errors_are_json_where_json_is_asked_for_and_still_1() {
    let place = Place::empty();
    for (words, says) in [
        (&["deplyo", "--json"][..], "deploy"),
        (&["--json"], "requires a subcommand"),
        (&["--json", "scale", "web=513"], "512"),
        (&["run", "--json"], "<COMMAND>"),
        (&["status", "--env", "Prod", "--json"], "Prod"),
    ] {
        let said = place.run(words);
        assert!(said.contains("-> 1\n"), "{said}");
        let error: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(error["error"]["code"], "usage");
        assert!(error.to_string().contains(says), "{said}");
    }
    insta::assert_snapshot!(place.run(&["deplyo", "--json"]));
    let said = place.run(&["run", "--tyy", "--", "x", "--json"]);
    assert!(said.contains("error: "), "what belongs to the command is not ours: {said}");
}

#[test]
fn colours_are_only_there_when_asked_for_in_a_pipe() {
    let place = Place::with_app();
    assert!(!place.run(&["apps"]).contains('\u{1b}'));
    assert!(place.run(&["apps", "--color", "always"]).contains('\u{1b}'));
}

#[test]
fn a_manifest_above_is_found_from_below() {
    let place = Place::with_app();
    place.keeper(&[("GET /v1/apps/assistant/production/status", 200, STATUS)]);
    std::fs::create_dir_all(place.path().join("app/deep")).unwrap();
    assert_eq!(place.code(&["status"]), 0);
}

fn site_json(site: &str) -> String {
    let (app, env) = site.split_once('/').unwrap();
    format!(r#"{{"app":"{app}","env":"{env}"}}"#)
}
