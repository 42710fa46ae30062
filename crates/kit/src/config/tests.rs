//! Configuration errors: all at once, in words that name the remedy, never with a secret in them.

use super::*;

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

fn read(vars: &[(&str, &str)]) -> Result<Values, Refused> {
    Reading::of(FIELDS, "APP_", vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).finish()
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
    ] {
        let refused = read(&[("APP_KEY", placeholder)]).expect_err(placeholder);
        assert_eq!(refused.0, ["APP_KEY should not use the default placeholder value"]);
    }
    assert!(read(&[("APP_KEY", "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607")]).is_ok());
}

#[test]
fn empty_is_unset_and_defaults_hold() {
    let values = read(&[("PORT", "  "), ("APP_URL", "")]).expect("defaults are valid");
    assert_eq!(values.number("PORT"), Some(3000));
    assert_eq!(values.duration("APP_PACE"), Some(Duration::from_millis(30)));
    assert_eq!(values.text("APP_URL"), None);
}

#[test]
fn effective_values_hide_secrets() {
    let values = read(&[("APP_KEY", "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607")]).expect("valid");
    assert!(values.effective().contains(&("APP_KEY", "[private]".to_owned())));
    assert!(!format!("{:?}", values.effective()).contains("9f2c"));
}

proptest::proptest! {
    #[test]
    fn durations_never_panic_and_round_trip(text in "\\PC{0,24}", ms in 0_u64..100_000_000) {
        let _ = parse_duration(&text);
        let span = Duration::from_millis(ms);
        proptest::prop_assert_eq!(parse_duration(&show_duration(span)), Some(span));
    }
}
