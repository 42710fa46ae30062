//! Settings as an operator gets them wrong.

use super::*;

fn settings(vars: &[(&str, &str)]) -> Result<Settings, Refused> {
    Settings::of(Reading::of(TABLE, vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))))
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
    let vendors = |vars: &[(&str, &str)]| models::vendors(&settings(vars).expect("valid").models);
    assert_eq!(vendors(&[]), []);
    let model = [("ASSISTANT_MODEL_URL", "https://models.example/v1/"), ("ASSISTANT_MODEL_NAME", "large-1")];
    let told = vendors(&model);
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

const KEY: &str = "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607";

#[test]
fn names_that_people_know_from_elsewhere_work() {
    let read = settings(&[
        ("HOSTNAME", "0.0.0.0"),
        ("PORT", "8080"),
        ("NODE_ENV", "production"),
        ("LOG_LEVEL", "INFO"),
        ("DATABASE_URL", "file:/data/production.db?connection_limit=1"),
        ("JWT_SECRET", KEY),
        ("OPENAI_API_KEY", "sk-0123456789"),
        ("OPENAI_MODEL", "gpt-4o-mini"),
    ])
    .expect("valid");
    assert_eq!(read.listen, Listen::Tcp { host: "0.0.0.0".to_owned(), port: 8080 });
    assert_eq!(read.database(), PathBuf::from("/data/production.db"));
    assert_eq!(read.log_level, "info");
    assert_eq!(read.secret_key.as_ref().map(|key| key.reveal().as_str()), Some(KEY));
    let asked = |settings: Settings| -> Vec<(ModelKind, String, String)> {
        settings.models.into_iter().map(|model| (model.kind, model.name, model.url)).collect()
    };
    let openai = "https://api.openai.com/v1".to_owned();
    assert_eq!(asked(read), [(ModelKind::OpenAi, "gpt-4o-mini".to_owned(), openai)]);
    let here = (ModelKind::Ollama, "llama2".to_owned(), "http://localhost:11434".to_owned());
    assert_eq!(asked(settings(&[("OLLAMA_MODEL", "llama2")]).expect("valid")), [here]);
}

#[test]
fn a_key_alone_sends_nobodys_words_anywhere_and_the_name_of_a_machine_is_no_address() {
    let read =
        settings(&[("OPENAI_API_KEY", "sk-0123456789"), ("HOSTNAME", "web-7f9c"), ("NODE_ENV", "test")]);
    let read = read.expect("valid");
    assert!(read.models.is_empty() && read.environment.is_none());
    assert_eq!(read.listen, Listen::Tcp { host: "127.0.0.1".to_owned(), port: 3000 });
}

#[test]
fn the_guides_mistakes_are_told_in_their_words() {
    let refused = settings(&[
        ("NODE_ENV", "production"),
        ("LOG_LEVEL", "debug"),
        ("JWT_SECRET", "your_jwt_secret_key_here"),
        ("OPENAI_API_KEY", "your_openai_api_key"),
        ("OPENAI_MODEL", "gpt-4o-mini"),
    ]);
    assert_eq!(
        refused.expect_err("five are wrong").0,
        [
            "JWT_SECRET should not use the default placeholder value",
            "OPENAI_API_KEY should not use the default placeholder value",
            "JWT_SECRET must be changed in production",
            "DATABASE_URL is required in production",
            "LOG_LEVEL should not be debug in production",
        ]
    );
    let keyless = settings(&[("NODE_ENV", "production"), ("DATABASE_URL", "file:/data/production.db")]);
    assert_eq!(keyless.expect_err("there is no key").0, ["ASSISTANT_SECRET_KEY is required in production"]);
    let refused = settings(&[("OPENAI_MODEL", "gpt-4o-mini")]);
    assert_eq!(
        refused.expect_err("there is no key").0,
        ["Required environment variable OPENAI_API_KEY is not set"]
    );
    let refused = settings(&[("DATABASE_URL", "postgresql://u:hunter2@db/x"), ("JWT_SECRET", "short")]);
    let text = refused.expect_err("two are wrong").to_string();
    assert!(text.contains("DATABASE_URL should be file:/path") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("JWT_SECRET should be at least 32 characters long"), "{text}");
}

#[test]
fn servers_are_asked_in_the_order_of_our_names_and_then_of_the_guides() {
    let settings = settings(&[
        ("OPENAI_API_KEY", "sk-of-the-operator"),
        ("OPENAI_MODEL", "gpt-4o-mini"),
        ("OLLAMA_BASE_URL", "http://localhost:11434/"),
        ("OLLAMA_MODEL", "llama2"),
        ("ANTHROPIC_API_KEY", "k"),
        ("ANTHROPIC_MODEL", "claude-sonnet-4-5"),
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
