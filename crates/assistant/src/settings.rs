//! What an operator can set, and how it is checked before anything starts.

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;
use kit::{
    Private,
    config::{Field, Kind, Reading, Refused, Table, Values},
    health::dialect::Dialect,
    serve::Listen,
};

use crate::retention::Retention;

mod aliases;

pub(crate) mod models;

#[cfg(test)]
mod tests;

/// Up to a hundred years.
const KEEP_DAYS: Kind = Kind::Number { min: 1, max: 36_500 };
/// All that can be set, under every name.
pub(crate) const TABLE: Table = Table { aliases: aliases::ALIASES, ..Table::new("ASSISTANT_", FIELDS) };

const ENVIRONMENTS: &[&str] = &["development", "staging", "production"];

pub(crate) use models::{Budget, ModelKind, ModelSettings};

pub(crate) const FIELDS: &[Field] = &[
    Field {
        name: "HOST",
        kind: Kind::Text,
        default: Some("127.0.0.1"),
        doc: "Address that `web` listens on.",
    },
    Field {
        name: "PORT",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: Some("3000"),
        doc: "Port that `web` listens on.",
    },
    Field {
        name: "LISTEN",
        kind: Kind::Text,
        default: None,
        doc: "`unix:/path` or `tcp:host:port`; goes before HOST and PORT.",
    },
    Field {
        name: "ASSISTANT_URL",
        kind: Kind::Url,
        default: None,
        doc: "Where people reach this, such as https://assistant.example; begins the links that are printed.",
    },
    Field {
        name: "ASSISTANT_DATA",
        kind: Kind::Text,
        default: Some("data"),
        doc: "Folder of the database; made if missing.",
    },
    Field {
        name: "ASSISTANT_DATABASE",
        kind: Kind::Text,
        default: None,
        doc: "File of the database. Default: assistant.db in ASSISTANT_DATA.",
    },
    Field {
        name: "ASSISTANT_ENVIRONMENT",
        kind: Kind::OneOf(ENVIRONMENTS),
        default: None,
        doc: "In production, settings that are only fit for trying out are refused.",
    },
    Field {
        name: "ASSISTANT_SECRET_KEY",
        kind: Kind::Secret { chars_min: 32 },
        default: None,
        doc: "Keys the hashes of sessions, so that a stolen database opens none. Changing it signs everybody out.",
    },
    Field {
        name: "ASSISTANT_FIRST_USER",
        kind: Kind::Text,
        default: None,
        doc: "Name of the account made at start when there is none; without it a link to make one is printed.",
    },
    Field {
        name: "ASSISTANT_FIRST_PASSWORD",
        kind: Kind::Secret { chars_min: 8 },
        default: None,
        doc: "Its password.",
    },
    Field {
        name: "ASSISTANT_ZONE",
        kind: Kind::Text,
        default: None,
        doc: "Time zone of new accounts, such as Europe/Madrid. Default: TZ, else UTC.",
    },
    Field { name: "TZ", kind: Kind::Text, default: None, doc: "Used when ASSISTANT_ZONE is not set." },
    models::url(
        "ASSISTANT_MODEL_URL",
        "A model server, such as http://127.0.0.1:11434 or https://host/v1; asked first.",
    ),
    models::kind("ASSISTANT_MODEL_KIND"),
    models::name("ASSISTANT_MODEL_NAME", "Name of the model; needed with ASSISTANT_MODEL_URL."),
    models::key("ASSISTANT_MODEL_KEY", "Key for the model server."),
    models::price("ASSISTANT_MODEL_PRICE"),
    models::url("ASSISTANT_MODEL_2_URL", "Asked when the first does not answer."),
    models::kind("ASSISTANT_MODEL_2_KIND"),
    models::name("ASSISTANT_MODEL_2_NAME", "Needed with ASSISTANT_MODEL_2_URL."),
    models::key("ASSISTANT_MODEL_2_KEY", "Key for the second model server."),
    models::price("ASSISTANT_MODEL_2_PRICE"),
    models::url("ASSISTANT_MODEL_3_URL", "Asked when the second does not answer either."),
    models::kind("ASSISTANT_MODEL_3_KIND"),
    models::name("ASSISTANT_MODEL_3_NAME", "Needed with ASSISTANT_MODEL_3_URL."),
    models::key("ASSISTANT_MODEL_3_KEY", "Key for the third model server."),
    models::price("ASSISTANT_MODEL_3_PRICE"),
    models::name("OPENAI_MODEL", "A model of OpenAI, such as gpt-4o-mini; asked after the servers above."),
    models::key("OPENAI_API_KEY", "Key for it. A key alone asks nobody."),
    models::name("ANTHROPIC_MODEL", "A model of Anthropic; asked after OpenAI."),
    models::key("ANTHROPIC_API_KEY", "Key for it. A key alone asks nobody."),
    models::name("OLLAMA_MODEL", "A model of an Ollama, such as llama3.2; asked last."),
    models::url("OLLAMA_BASE_URL", "Where that is. Default: http://localhost:11434."),
    Field {
        name: "ASSISTANT_BUDGET_TOKENS",
        kind: Kind::Number { min: 0, max: 1_000_000_000 },
        default: None,
        doc: "Tokens of models that one account may use in one of its days.",
    },
    Field {
        name: "ASSISTANT_BUDGET_MONEY",
        kind: Kind::Text,
        default: None,
        doc: "Money that one account may spend in one of its days, by the prices above, such as 2.50.",
    },
    Field {
        name: "ASSISTANT_BUILTIN_PACE",
        kind: Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(10) },
        default: Some("30ms"),
        doc: "Pause between two words of a built-in answer.",
    },
    Field {
        name: "ASSISTANT_DRAIN_LIMIT",
        kind: Kind::Duration { min: Duration::from_secs(2), max: Duration::from_secs(3_600) },
        default: Some("25s"),
        doc: "How long a stopping process finishes what runs. Below the supervisor's own limit.",
    },
    Field {
        name: "ASSISTANT_MIGRATE",
        kind: Kind::OneOf(&["auto", "never"]),
        default: None,
        doc: "Whether to migrate at start. Default: auto; never under Mainstay, which migrates itself.",
    },
    Field {
        name: "ASSISTANT_METRICS_TOKEN",
        kind: Kind::Secret { chars_min: 16 },
        default: None,
        doc: "Lets a scraper read /metrics through a proxy.",
    },
    Field {
        name: "ASSISTANT_KEEP_JOURNAL_DAYS",
        kind: KEEP_DAYS,
        default: None,
        doc: "Journal entries and their files are deleted so many days after they were written. Default: never.",
    },
    Field {
        name: "ASSISTANT_KEEP_TASKS_DAYS",
        kind: KEEP_DAYS,
        default: None,
        doc: "Tasks are deleted so many days after they were done. Default: never.",
    },
    Field {
        name: "ASSISTANT_KEEP_CHATS_DAYS",
        kind: KEEP_DAYS,
        default: None,
        doc: "Conversations are deleted so many days after the last word in them. Default: never.",
    },
    Field {
        name: "ASSISTANT_KEEP_HISTORY_DAYS",
        kind: KEEP_DAYS,
        default: None,
        doc: "What was done can be undone for so many days. Default: as long as the shortest of the others.",
    },
    Field {
        name: "ASSISTANT_HEALTH",
        kind: Kind::OneOf(Dialect::NAMES),
        default: Some("plain"),
        doc: "Whose shapes and paths health is told in: this program's own, or those of a monitoring that is there already.",
    },
    Field {
        name: "LOG_LEVEL",
        kind: Kind::OneOf(kit::logs::LEVELS),
        default: Some("info"),
        doc: "Least severity that is logged.",
    },
    Field {
        name: "MAINSTAY_RELEASE",
        kind: Kind::Number { min: 0, max: u64::MAX },
        default: None,
        doc: "Set by Mainstay: number of this release.",
    },
    Field {
        name: "MAINSTAY_INSTANCE",
        kind: Kind::Text,
        default: None,
        doc: "Set by Mainstay: name of this instance.",
    },
];

/// What the values mean.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    /// Without the slash at its end.
    pub(crate) url: Option<String>,
    pub(crate) data: PathBuf,
    /// `None`: the usual file in `data`.
    pub(crate) database_file: Option<PathBuf>,
    pub(crate) environment: Option<String>,
    pub(crate) health: Dialect,
    pub(crate) secret_key: Option<Private<String>>,
    pub(crate) first_account: Option<(String, Private<String>)>,
    pub(crate) zone: String,
    /// In the order in which they are asked.
    pub(crate) models: Vec<ModelSettings>,
    pub(crate) budget: Budget,
    pub(crate) builtin_pace: Duration,
    pub(crate) drain_limit: Duration,
    pub(crate) migrates: bool,
    pub(crate) retention: Retention,
    pub(crate) metrics_token: Option<Private<String>>,
    pub(crate) log_level: String,
    pub(crate) release: Option<u64>,
    pub(crate) instance: Option<String>,
    pub(crate) values: Values,
}

impl Settings {
    /// From this process's environment.
    pub(crate) fn of_environment() -> Result<Self, Refused> {
        Self::of(Reading::of_environment(TABLE))
    }

    pub(crate) fn of(mut reading: Reading) -> Result<Self, Refused> {
        let listen = listen(&mut reading);
        let zone = zone(&mut reading);
        pairs(&mut reading);
        models::check(&mut reading);
        in_production(&mut reading);
        let values = reading.finish()?;
        let text = |name| values.text(name).map(str::to_owned);
        let release = values.number("MAINSTAY_RELEASE");
        Ok(Self {
            listen,
            zone,
            url: text("ASSISTANT_URL").map(|url| url.trim_end_matches('/').to_owned()),
            data: PathBuf::from(text("ASSISTANT_DATA").unwrap_or_default()),
            database_file: text("ASSISTANT_DATABASE").map(PathBuf::from),
            environment: text("ASSISTANT_ENVIRONMENT"),
            health: values.text("ASSISTANT_HEALTH").and_then(Dialect::parse).unwrap_or_default(),
            secret_key: values.secret("ASSISTANT_SECRET_KEY"),
            first_account: text("ASSISTANT_FIRST_USER").zip(values.secret("ASSISTANT_FIRST_PASSWORD")),
            models: models::models(&values),
            budget: models::budget(&values),
            builtin_pace: values.duration("ASSISTANT_BUILTIN_PACE").unwrap_or_default(),
            drain_limit: values.duration("ASSISTANT_DRAIN_LIMIT").unwrap_or_default(),
            migrates: values.text("ASSISTANT_MIGRATE").map_or(release.is_none(), |when| when == "auto"),
            retention: Retention {
                journal: values.number("ASSISTANT_KEEP_JOURNAL_DAYS"),
                tasks: values.number("ASSISTANT_KEEP_TASKS_DAYS"),
                conversations: values.number("ASSISTANT_KEEP_CHATS_DAYS"),
                history: values.number("ASSISTANT_KEEP_HISTORY_DAYS"),
            },
            metrics_token: values.secret("ASSISTANT_METRICS_TOKEN"),
            log_level: text("LOG_LEVEL").unwrap_or_default(),
            release,
            instance: text("MAINSTAY_INSTANCE"),
            values,
        })
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.database_file.clone().unwrap_or_else(|| self.data.join("assistant.db"))
    }
}

fn listen(reading: &mut Reading) -> Listen {
    let host = reading.get("HOST").unwrap_or("127.0.0.1").to_owned();
    let port = reading.get("PORT").and_then(|port| port.parse().ok()).unwrap_or(3000);
    let Some(place) = reading.get("LISTEN") else { return Listen::Tcp { host, port } };
    match place.parse() {
        Ok(listen) => listen,
        Err(_) => {
            reading.refuse(format!("LISTEN should be unix:/path or tcp:host:port, not \"{place}\""));
            Listen::Tcp { host, port }
        }
    }
}

fn zone(reading: &mut Reading) -> String {
    let asked = ["ASSISTANT_ZONE", "TZ"]
        .into_iter()
        .find_map(|name| reading.get(name).map(|zone| (name, zone.to_owned())));
    let Some((name, zone)) = asked else { return "UTC".to_owned() };
    if TimeZone::get(&zone).is_ok() {
        return zone;
    }
    // TZ may hold forms that are fine for libc (":/etc/localtime"); only our own setting is strict.
    if name == "ASSISTANT_ZONE" {
        reading.refuse(format!("ASSISTANT_ZONE should be a time zone such as Europe/Madrid, not \"{zone}\""));
    }
    "UTC".to_owned()
}

/// What the guides' validator finds only there (CFGV-05, -07).
fn in_production(reading: &mut Reading) {
    if reading.get("ASSISTANT_ENVIRONMENT") != Some("production") {
        return;
    }
    if let Some(name) = reading.placeholder("ASSISTANT_SECRET_KEY") {
        reading.refuse(format!("{name} must be changed in production"));
    } else if reading.get("ASSISTANT_SECRET_KEY").is_none() {
        reading.refuse("ASSISTANT_SECRET_KEY is required in production");
    }
    if reading.source("ASSISTANT_DATA") == Some("default") && reading.get("ASSISTANT_DATABASE").is_none() {
        reading.refuse("DATABASE_URL is required in production");
    }
    if matches!(reading.get("LOG_LEVEL"), Some("debug" | "trace")) {
        reading.refuse("LOG_LEVEL should not be debug in production");
    }
}

/// Settings that make no sense without each other.
fn pairs(reading: &mut Reading) {
    for (one, other) in [
        ("ASSISTANT_FIRST_USER", "ASSISTANT_FIRST_PASSWORD"),
        ("ASSISTANT_FIRST_PASSWORD", "ASSISTANT_FIRST_USER"),
    ] {
        if reading.get(one).is_some() && reading.get(other).is_none() {
            reading.refuse(format!("{other} is required with {one}"));
        }
    }
}
