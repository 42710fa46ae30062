//! The settings of an app that was deployed with the S3 guide: its variables, its rules, its words (CFGV-01 to -07).
//!
//!     cargo run -p kit --example config

use std::process::ExitCode;

use kit::config::{Field, Kind, Reading, Refused, Table, Values};

const fn field(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Field {
    Field { name, kind, default, doc }
}

const FIELDS: &[Field] = &[
    field("GOOGLE_CLIENT_ID", Kind::Credential { chars_min: 20 }, None, "From Google's console."),
    field("GOOGLE_CLIENT_SECRET", Kind::Credential { chars_min: 20 }, None, "From Google's console."),
    field("OPENAI_API_KEY", Kind::Key { prefix: "sk-" }, None, "From OpenAI's console."),
    field("JWT_SECRET", Kind::Secret { chars_min: 32 }, None, "Signs sessions."),
    field(
        "NODE_ENV",
        Kind::OneOf(&["development", "staging", "production"]),
        Some("development"),
        "Where it runs.",
    ),
    field("PORT", Kind::Number { min: 1, max: 65_535 }, Some("3000"), "Where it listens."),
    field("CORS_ORIGIN", Kind::Url, Some("http://localhost:3000"), "Who may call from a browser."),
    field("DATABASE_URL", Kind::Text, None, "The database."),
    field("LOG_LEVEL", Kind::OneOf(&["error", "warn", "info", "debug"]), Some("info"), "What is logged."),
];
const REQUIRED: &[&str] = &["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "OPENAI_API_KEY", "JWT_SECRET"];

fn settings() -> Result<Values, Refused> {
    let mut reading =
        Reading::of_environment(Table { required: REQUIRED, ..Table::new("ASSISTANTAPP_", FIELDS) });
    if reading.get("NODE_ENV") == Some("production") {
        let mistakes = [
            (reading.placeholder("JWT_SECRET").is_some(), "JWT_SECRET must be changed in production"),
            // The value in force: also where nobody set it.
            (
                reading.get("CORS_ORIGIN") == Some("http://localhost:3000"),
                "CORS_ORIGIN must be configured for production",
            ),
            (reading.get("DATABASE_URL").is_none(), "DATABASE_URL is required in production"),
            (reading.get("LOG_LEVEL") == Some("debug"), "LOG_LEVEL should not be debug in production"),
        ];
        mistakes.iter().filter(|(is_so, _)| *is_so).for_each(|(_, words)| reading.refuse(*words));
    }
    reading.finish()
}

fn main() -> ExitCode {
    match settings() {
        Ok(values) => {
            println!("Configuration validation passed\nport {}", values.number("PORT").unwrap_or_default())
        }
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
