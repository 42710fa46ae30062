//! Configuration errors: all at once, in words that name the remedy, never with a secret in them.

use super::*;
use crate::config::kinds::show_duration;

static FIELDS: &[Field] = &[
    Field { name: "PORT", kind: Kind::Number { min: 1, max: 65_535 }, default: Some("3000"), doc: "port" },
    Field { name: "APP_KIND", kind: Kind::OneOf(&["openai", "ollama"]), default: None, doc: "kind" },
    Field {
        name: "APP_PACE",
        kind: Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(10) },
        default: Some("30ms"),
        doc: "pace",
    },
    Field { name: "APP_KEY", kind: Kind::Secret { chars_min: 32 }, default: None, doc: "key" },
    Field { name: "APP_URL", kind: Kind::Url, default: None, doc: "url" },
];

static ALIASES: &[Alias] = &[
    Alias { name: "HOST_PORT", of: "PORT", translate: port },
    Alias::new("SESSION_KEY", "APP_KEY"),
    Alias::new("OLD_URL", "APP_URL"),
];

fn port(value: &str) -> Result<Option<String>, String> {
    match value.rsplit_once(':') {
        Some((_, port)) => Ok(Some(port.to_owned())),
        None if value == "none" => Ok(None),
        None => Err("should be host:port".to_owned()),
    }
}

const KEY: &str = "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607";

fn read(vars: &[(&str, &str)]) -> Result<Values, Refused> {
    let table = Table { aliases: ALIASES, ..Table::new("APP_", FIELDS) };
    Reading::of(table, vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).finish()
}

#[test]
fn all_mistakes_are_told_at_once_and_no_secret_is() {
    let refused = read(&[
        ("PORT", "3000x"),
        ("APP_KIND", "olama"),
        ("APP_PACE", "30"),
        ("APP_KEY", "hunter2-but-short"),
        ("APP_URL", "localhost:11434"),
        ("APP_KNID", "openai"),
    ]);
    let text = refused.expect_err("five values are wrong").to_string();
    assert_eq!(
        text,
        "Configuration validation failed:
  - PORT should be a whole number from 1 to 65535, not \"3000x\"
  - APP_KIND should be one of openai, ollama, not \"olama\"; did you mean ollama?
  - APP_PACE should be a time from 0ms to 10s, such as 30ms, 25s or 2m, not \"30\"
  - APP_KEY should be at least 32 characters long
  - APP_URL should be an address such as https://host/v1
  - APP_KNID is not a setting; did you mean APP_KIND?"
    );
}

#[test]
fn placeholders_of_example_files_are_refused() {
    for placeholder in [
        "your_jwt_secret_key_here_and_more_text",
        "CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME",
        "<put the secret of 32 chars here..>",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "your-32-character-secret-key-here",
        "your_very_secure_session_key_of_64_characters",
    ] {
        let refused = read(&[("APP_KEY", placeholder)]).expect_err(placeholder);
        assert_eq!(refused.0, ["APP_KEY should not use the default placeholder value"]);
    }
    assert!(read(&[("APP_KEY", KEY)]).is_ok());
}

#[test]
fn empty_is_unset_and_defaults_hold() {
    let values = read(&[("PORT", "  "), ("APP_URL", "")]).expect("defaults are valid");
    assert_eq!(values.number("PORT"), Some(3000));
    assert_eq!(values.duration("APP_PACE"), Some(Duration::from_millis(30)));
    assert_eq!(values.text("APP_URL"), None);
}

#[test]
fn effective_values_hide_secrets_and_name_their_source() {
    let values = read(&[("SESSION_KEY", KEY), ("PORT", "80")]).expect("valid");
    let of = |name: &str| values.effective().into_iter().find(|shown| shown.name == name).expect("a field");
    assert_eq!(
        (of("APP_KEY").value, of("APP_KEY").source),
        ("[private]".to_owned(), Some("SESSION_KEY".to_owned()))
    );
    assert_eq!((of("PORT").value, of("PORT").source), ("80".to_owned(), None));
    assert_eq!(of("APP_PACE").source.as_deref(), Some("default"));
    assert!(!format!("{:?}", values.effective()).contains("9f2c"));
}

#[test]
fn another_name_sets_a_field_and_is_blamed_by_its_own_name() {
    assert_eq!(read(&[("HOST_PORT", "a:81")]).expect("valid").number("PORT"), Some(81));
    assert_eq!(read(&[("HOST_PORT", "none")]).expect("valid").number("PORT"), Some(3000));
    let refused = read(&[("HOST_PORT", "a:http"), ("OLD_URL", "nowhere"), ("SESSION_KEY", "short")]);
    assert_eq!(
        refused.expect_err("three are wrong").0,
        [
            "HOST_PORT should be a whole number from 1 to 65535, not \"http\"",
            "SESSION_KEY should be at least 32 characters long",
            "OLD_URL should be an address such as https://host/v1",
        ]
    );
    let refused = read(&[("HOST_PORT", "81")]);
    assert_eq!(refused.expect_err("no port").0, ["HOST_PORT should be host:port"]);
}

#[test]
fn two_names_that_disagree_are_refused_and_two_that_agree_are_not() {
    assert!(read(&[("PORT", "81"), ("HOST_PORT", "a:81")]).is_ok());
    let other = KEY.replace('9', "8");
    let refused = read(&[("PORT", "81"), ("HOST_PORT", "a:82"), ("APP_KEY", KEY), ("SESSION_KEY", &other)]);
    let text = refused.expect_err("they disagree").to_string();
    assert!(text.contains("\n  - PORT and HOST_PORT say different things; set one of them"), "{text}");
    assert!(text.contains("\n  - APP_KEY and SESSION_KEY say different things; set one of them"), "{text}");
    assert!(!text.contains(KEY) && !text.contains(&other), "{text}");
}

#[test]
fn a_secret_comes_from_a_file_or_from_the_folder_of_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("APP_KEY");
    std::fs::write(&path, format!("{KEY}\n")).expect("writes");
    let (path, folder) = (path.to_str().expect("UTF-8"), folder.path().to_str().expect("UTF-8"));
    for (vars, source) in [
        (("APP_KEY_FILE", path), "APP_KEY_FILE"),
        (("SESSION_KEY_FILE", path), "SESSION_KEY_FILE"),
        (("CREDENTIALS_DIRECTORY", folder), "CREDENTIALS_DIRECTORY/APP_KEY"),
    ] {
        let values = read(&[vars]).expect("valid");
        assert_eq!(values.text("APP_KEY"), Some(KEY));
        assert_eq!(values.effective()[3].source.as_deref(), Some(source));
    }
    assert!(read(&[("APP_KEY", KEY), ("APP_KEY_FILE", path)]).is_ok(), "both say the same");
    let missing = format!("{folder}/none");
    let refused = read(&[("APP_KEY_FILE", &missing), ("APP_PACE_FILE", path)]).expect_err("two are wrong");
    assert!(
        refused.0[0].starts_with("APP_KEY_FILE: ") && refused.0[0].contains("cannot be used"),
        "{refused}"
    );
    assert!(refused.0[1].starts_with("APP_PACE_FILE is not a setting"), "{refused}");
}

#[test]
fn what_is_required_is_told_first() {
    let table = Table { required: &["APP_URL", "APP_KEY"], ..Table::new("APP_", FIELDS) };
    let refused = Reading::of(table, [("PORT".to_owned(), "0".to_owned())]).finish();
    assert_eq!(
        refused.expect_err("three are wrong").0,
        [
            "Required environment variable APP_KEY is not set",
            "Required environment variable APP_URL is not set",
            "PORT should be a whole number from 1 to 65535, not \"0\"",
        ]
    );
}

#[test]
fn the_schema_tells_other_names_and_what_is_secret() {
    let schema = schema("app", Table { aliases: ALIASES, ..Table::new("APP_", FIELDS) });
    assert_eq!(schema["properties"]["APP_KEY"]["x-aliases"], serde_json::json!(["SESSION_KEY"]));
    assert_eq!(schema["properties"]["APP_KEY"]["writeOnly"], true);
    assert_eq!(schema["properties"]["PORT"]["maximum"], 65_535);
    assert_eq!(schema["properties"]["PORT"]["default"], "3000");
}

proptest::proptest! {
    #[test]
    fn durations_never_panic_and_round_trip(text in "\\PC{0,24}", ms in 0_u64..100_000_000) {
        let _ = parse_duration(&text);
        let span = Duration::from_millis(ms);
        proptest::prop_assert_eq!(parse_duration(&show_duration(span)), Some(span));
    }
}
