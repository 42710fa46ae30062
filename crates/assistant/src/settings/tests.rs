//! Settings as an operator gets them wrong.

use super::*;

fn settings(vars: &[(&str, &str)]) -> Result<Settings, Refused> {
    Settings::of(Reading::of(
        FIELDS,
        "ASSISTANT_",
        vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
    ))
}

#[test]
fn nothing_set_is_a_working_start() {
    let settings = settings(&[]).expect("defaults work");
    assert_eq!(settings.listen, Listen::Tcp { host: "127.0.0.1".to_owned(), port: 3000 });
    assert!(settings.migrates);
    assert_eq!(settings.zone, "UTC");
}

#[test]
fn under_mainstay_the_process_does_not_migrate_by_itself() {
    assert!(!settings(&[("MAINSTAY_RELEASE", "42")]).expect("valid").migrates);
    assert!(settings(&[("MAINSTAY_RELEASE", "42"), ("ASSISTANT_MIGRATE", "auto")]).expect("valid").migrates);
}

#[test]
fn mistakes_that_need_two_fields_stand_beside_those_of_one() {
    let refused = settings(&[
        ("PORT", "0"),
        ("LISTEN", "unix:"),
        ("ASSISTANT_MODEL_URL", "http://127.0.0.1:11434"),
        ("ASSISTANT_FIRST_USER", "ana"),
        ("ASSISTANT_ZONE", "Europe/Madird"),
        ("ASSISTANT_MODEL_KIN", "ollama"),
    ]);
    assert_eq!(
        refused.expect_err("six are wrong").0,
        [
            "PORT should be a whole number from 1 to 65535, not \"0\"",
            "ASSISTANT_MODEL_KIN is not a setting; did you mean ASSISTANT_MODEL_KIND?",
            "LISTEN should be unix:/path or tcp:host:port, not \"unix:\"",
            "ASSISTANT_ZONE should be a time zone such as Europe/Madrid, not \"Europe/Madird\"",
            "ASSISTANT_FIRST_PASSWORD is required with ASSISTANT_FIRST_USER",
            "ASSISTANT_MODEL_NAME is required with ASSISTANT_MODEL_URL",
        ]
    );
}

#[test]
fn who_gets_text_is_told_and_without_a_model_nobody_does() {
    assert_eq!(settings(&[]).expect("valid").vendors(), []);
    let model = [("ASSISTANT_MODEL_URL", "https://models.example/v1/"), ("ASSISTANT_MODEL_NAME", "large-1")];
    let told = settings(&model).expect("valid").vendors();
    assert_eq!(
        told.iter().map(|one| (one.host.as_str(), one.name.as_str())).collect::<Vec<_>>(),
        [("models.example", "large-1")]
    );
}

#[test]
fn nothing_is_deleted_by_its_age_until_the_operator_says_after_how_many_days() {
    assert_eq!(settings(&[]).expect("valid").retention, Retention::default());
    let kept = settings(&[("ASSISTANT_KEEP_JOURNAL_DAYS", "365"), ("ASSISTANT_KEEP_CHATS_DAYS", "30")])
        .expect("valid")
        .retention;
    assert_eq!((kept.journal, kept.tasks, kept.conversations), (Some(365), None, Some(30)));
    assert!(
        settings(&[("ASSISTANT_KEEP_TASKS_DAYS", "0")]).is_err(),
        "that would delete what was done just now"
    );
}
