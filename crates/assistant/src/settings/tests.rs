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
fn servers_are_asked_in_the_order_of_our_names_and_then_of_the_guides() {
    let settings = settings(&[
        ("OPENAI_API_KEY", "sk-of-the-operator"),
        ("OLLAMA_BASE_URL", "http://localhost:11434/"),
        ("OLLAMA_MODEL", "llama2"),
        ("ANTHROPIC_API_KEY", "k"),
        ("ASSISTANT_MODEL_2_URL", "https://second.test/v1/"),
        ("ASSISTANT_MODEL_2_KIND", "anthropic"),
        ("ASSISTANT_MODEL_2_NAME", "two"),
        ("ASSISTANT_MODEL_2_PRICE", "3/15"),
        ("ASSISTANT_MODEL_URL", "http://127.0.0.1:9/v1"),
        ("ASSISTANT_MODEL_NAME", "one"),
        ("ASSISTANT_BUDGET_MONEY", "0.5"),
    ])
    .expect("valid");
    let asked: Vec<(&str, &str, &str)> = settings
        .models
        .iter()
        .map(|model| (model.kind.word(), model.name.as_str(), model.url.as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("openai", "one", "http://127.0.0.1:9/v1"),
            ("anthropic", "two", "https://second.test"),
            ("openai", "gpt-4o-mini", "https://api.openai.com/v1"),
            ("anthropic", "claude-sonnet-4-5", "https://api.anthropic.com"),
            ("ollama", "llama2", "http://localhost:11434"),
        ]
    );
    assert_eq!(settings.models[1].price.of(1_000, 2_000), 33_000);
    assert_eq!(settings.models[1].host(), "second.test");
    assert_eq!(settings.budget, Budget { tokens: None, money_micros: Some(500_000) });
}

#[test]
fn amounts_and_keys_that_are_none_are_refused_by_name() {
    let refused = settings(&[
        ("ASSISTANT_MODEL_PRICE", "cheap"),
        ("OLLAMA_BASE_URL", "http://localhost:11434"),
        ("OPENAI_API_KEY", "pk-1"),
        ("ASSISTANT_BUDGET_MONEY", "2,50"),
    ]);
    assert_eq!(
        refused.expect_err("four are wrong").0,
        [
            "ASSISTANT_MODEL_PRICE should be two amounts such as 0.15/0.60, not \"cheap\"",
            "OLLAMA_MODEL is required with OLLAMA_BASE_URL",
            "OPENAI_API_KEY should start with \"sk-\"",
            "ASSISTANT_BUDGET_MONEY should be an amount such as 2.50, not \"2,50\"",
        ]
    );
    assert_eq!(models::show_micros(2_500_000), "2.50");
    assert_eq!(models::show_micros(1_234), "0.001234");
}
