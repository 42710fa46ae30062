//! Which model servers are asked, in which order, what they cost, and what an account may spend in a day.

use kit::{
    Private,
    config::{Field, Kind, Reading, Values},
};
use serde::Serialize;

/// A model server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelSettings {
    /// Without the slash at its end.
    pub(crate) url: String,
    pub(crate) kind: ModelKind,
    pub(crate) name: String,
    pub(crate) key: Option<Private<String>>,
    pub(crate) price: Price,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelKind {
    OpenAi,
    Anthropic,
    Ollama,
}

/// Money for a million tokens, in millionths of whatever the operator counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) input_micros: u64,
    pub(crate) output_micros: u64,
}

/// What one account may spend in one of its days. `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) tokens: Option<u64>,
    pub(crate) money_micros: Option<u64>,
}

const KINDS: Kind = Kind::OneOf(&["openai", "anthropic", "ollama"]);
const MICROS: u64 = 1_000_000;
const OPENAI: &str = "https://api.openai.com/v1";
const ANTHROPIC: &str = "https://api.anthropic.com";
const OLLAMA: &str = "http://localhost:11434";

/// The four settings and the price of one server, in the order in which servers are asked.
const SERVERS: [[&str; 5]; 3] = [
    [
        "ASSISTANT_MODEL_URL",
        "ASSISTANT_MODEL_KIND",
        "ASSISTANT_MODEL_NAME",
        "ASSISTANT_MODEL_KEY",
        "ASSISTANT_MODEL_PRICE",
    ],
    [
        "ASSISTANT_MODEL_2_URL",
        "ASSISTANT_MODEL_2_KIND",
        "ASSISTANT_MODEL_2_NAME",
        "ASSISTANT_MODEL_2_KEY",
        "ASSISTANT_MODEL_2_PRICE",
    ],
    [
        "ASSISTANT_MODEL_3_URL",
        "ASSISTANT_MODEL_3_KIND",
        "ASSISTANT_MODEL_3_NAME",
        "ASSISTANT_MODEL_3_KEY",
        "ASSISTANT_MODEL_3_PRICE",
    ],
];

impl ModelKind {
    /// Names the service in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    fn of(word: Option<&str>) -> Self {
        match word {
            Some("anthropic") => Self::Anthropic,
            Some("ollama") => Self::Ollama,
            _ => Self::OpenAi,
        }
    }
}

impl Price {
    /// Rounded up: a budget is never spent a little beyond its end.
    pub(crate) fn of(self, input: u64, output: u64) -> u64 {
        let whole = u128::from(input) * u128::from(self.input_micros)
            + u128::from(output) * u128::from(self.output_micros);
        u64::try_from(whole.div_ceil(u128::from(MICROS))).unwrap_or(u64::MAX)
    }
}

impl ModelSettings {
    /// Who runs the server, for the page that says where text goes: its host.
    pub(crate) fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        authority.rsplit('@').next().unwrap_or(authority)
    }
}

/// A service of others that gets what people write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Vendor {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) gets: &'static str,
}

/// Who gets what people write. Nobody, unless a model is set.
pub(crate) fn vendors(models: &[ModelSettings]) -> Vec<Vendor> {
    let vendor = |model: &ModelSettings| Vendor {
        name: model.name.clone(),
        host: model.host().to_owned(),
        gets: "what is said in the chat: the question and the last messages of its conversation, and what you have it look up",
    };
    models.iter().map(vendor).collect()
}

const fn field(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Field {
    Field { name, kind, default, doc }
}

pub(super) const fn url(name: &'static str, doc: &'static str) -> Field {
    field(name, Kind::Url, None, doc)
}

pub(super) const fn kind(name: &'static str) -> Field {
    field(name, KINDS, Some("openai"), "What the model server speaks.")
}

pub(super) const fn name(name: &'static str, doc: &'static str) -> Field {
    field(name, Kind::Text, None, doc)
}

pub(super) const fn key(name: &'static str, doc: &'static str) -> Field {
    field(name, Kind::Secret { chars_min: 1 }, None, doc)
}

pub(super) const fn price(name: &'static str) -> Field {
    field(
        name,
        Kind::Text,
        None,
        "Money for a million tokens, read/written, such as 0.15/0.60; nothing: it costs nothing.",
    )
}

/// What makes no sense without each other, or is no amount.
pub(super) fn check(reading: &mut Reading) {
    for [url, _, name, _, price] in SERVERS {
        needs(reading, url, name);
        needs(reading, name, url);
        let given = reading.get(price).map(str::to_owned);
        if let Some(given) = given.filter(|given| parse_price(given).is_none()) {
            reading.refuse(format!("{price} should be two amounts such as 0.15/0.60, not \"{given}\""));
        }
    }
    needs(reading, "OLLAMA_BASE_URL", "OLLAMA_MODEL");
    for (model, key) in [("OPENAI_MODEL", "OPENAI_API_KEY"), ("ANTHROPIC_MODEL", "ANTHROPIC_API_KEY")] {
        // As operators of S3 know it (CFGV-02).
        if reading.get(model).is_some() && reading.get(key).is_none() && !reading.is_refused(key) {
            reading.refuse(format!("Required environment variable {key} is not set"));
        }
    }
    // As operators of S3 know it (CFGV-04).
    if reading.get("OPENAI_API_KEY").is_some_and(|key| !key.starts_with("sk-")) {
        reading.refuse("OPENAI_API_KEY should start with \"sk-\"");
    }
    let money = reading.get("ASSISTANT_BUDGET_MONEY").map(str::to_owned);
    if let Some(money) = money.filter(|money| parse_micros(money).is_none()) {
        reading.refuse(format!("ASSISTANT_BUDGET_MONEY should be an amount such as 2.50, not \"{money}\""));
    }
}

fn needs(reading: &mut Reading, one: &str, other: &str) {
    if reading.get(one).is_some() && reading.get(other).is_none() {
        reading.refuse(format!("{other} is required with {one}"));
    }
}

/// In the order in which they are asked: those of our own names, then those of the guides' names.
pub(super) fn models(values: &Values) -> Vec<ModelSettings> {
    let own = SERVERS.iter().filter_map(|[url, kind, name, key, price]| {
        let kind = ModelKind::of(values.text(kind));
        Some(ModelSettings {
            url: clean(values.text(url)?, kind),
            kind,
            name: values.text(name)?.to_owned(),
            key: values.secret(key),
            price: values.text(price).and_then(parse_price).unwrap_or_default(),
        })
    });
    own.chain(by_their_names(values)).collect()
}

/// A key alone is no wish to send anybody's words there: such variables stand in many shells. The name of a model is.
fn by_their_names(values: &Values) -> impl Iterator<Item = ModelSettings> {
    let vendor = |url: &str, kind: ModelKind, name: &str, key: Option<&str>| {
        Some(ModelSettings {
            url: clean(url, kind),
            kind,
            name: values.text(name)?.to_owned(),
            key: key.and_then(|key| values.secret(key)),
            price: Price::default(),
        })
    };
    let ollama = values.text("OLLAMA_BASE_URL").unwrap_or(OLLAMA);
    [
        vendor(OPENAI, ModelKind::OpenAi, "OPENAI_MODEL", Some("OPENAI_API_KEY")),
        vendor(ANTHROPIC, ModelKind::Anthropic, "ANTHROPIC_MODEL", Some("ANTHROPIC_API_KEY")),
        vendor(ollama, ModelKind::Ollama, "OLLAMA_MODEL", None),
    ]
    .into_iter()
    .flatten()
}

fn clean(url: &str, kind: ModelKind) -> String {
    let url = url.trim_end_matches('/');
    // Its paths begin with the version themselves.
    let url = if kind == ModelKind::Anthropic { url.strip_suffix("/v1").unwrap_or(url) } else { url };
    url.to_owned()
}

pub(super) fn budget(values: &Values) -> Budget {
    Budget {
        tokens: values.number("ASSISTANT_BUDGET_TOKENS"),
        money_micros: values.text("ASSISTANT_BUDGET_MONEY").and_then(parse_micros),
    }
}

fn parse_price(text: &str) -> Option<Price> {
    let (input, output) = text.split_once('/')?;
    Some(Price { input_micros: parse_micros(input.trim())?, output_micros: parse_micros(output.trim())? })
}

/// `2.50` in millionths. At most six digits behind the point.
fn parse_micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<6}").parse().ok()?;
    whole.checked_mul(MICROS)?.checked_add(part)
}

/// `2.5` of its millionths.
pub(crate) fn show_micros(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / MICROS, micros % MICROS);
    let shown = text.trim_end_matches('0');
    let (whole, part) = shown.split_once('.').unwrap_or((shown, ""));
    // Money has two digits, or as many as it needs.
    format!("{whole}.{part:0<2}")
}
