//! `[[route.rate_limit]]`: how many requests of one kind a client may make of a route.

use std::{num::NonZeroU32, time::Duration};

use model::{
    LimitName, Span,
    manifest::{LimitKey, RateLimit},
};

use super::text;
use crate::config::{decode::Section, network::networks, problem::Problem};

/// Bound: each costs every request of its route a look.
const LIMITS_MAX: usize = 32;
const REQUESTS_MAX: u64 = 1_000_000;
const PER_MIN: Span = Span::secs(1);
const PER_MAX: Span = Span(Duration::from_secs(24 * 3600));
/// Bound: of the answer to a request that is refused.
const BODY_BYTES_MAX: usize = 8 << 10;

/// What a limit is unless its table says otherwise, by the name that `preset` gives it.
struct Preset {
    name: &'static str,
    paths: &'static [&'static str],
    requests: u32,
    per: Span,
    burst: u32,
    body: Option<&'static str>,
}

/// RATE-01, RATE-02 and RATE-03. The last two are limits of nginx, which lets its `burst` come at once beside the one that
/// the rate allows. The login has the paths of NextAuth besides (W-E5).
static PRESETS: [Preset; 3] = [
    Preset {
        name: "app",
        paths: &[],
        requests: 100,
        per: Span::secs(15 * 60),
        burst: 100,
        body: Some(
            r#"{"error":"Too many requests from this IP, please try again later.","retryAfter":"15 minutes"}"#,
        ),
    },
    Preset { name: "api", paths: &["/api"], requests: 10, per: Span::secs(1), burst: 21, body: None },
    Preset {
        name: "login",
        paths: &["/api/auth/login", "/api/auth/callback/credentials", "/api/auth/signin"],
        requests: 5,
        per: Span::secs(60),
        burst: 6,
        body: None,
    },
];

/// Those of a route.
pub(super) fn rate_limits(section: &mut Section<'_, '_, '_>) -> Vec<RateLimit> {
    let limits = section.tables("rate_limit", rate_limit).unwrap_or_default();
    if let Some(one_more) = limits.get(LIMITS_MAX) {
        section.problem(
            Problem::new(
                "too-many",
                one_more.span.clone(),
                format!("a route has {LIMITS_MAX} limits at most"),
            )
            .help("limits of the same rate can share one: it holds for all of its `paths`"),
        );
    }
    for (n, limit) in limits.iter().enumerate() {
        let first = limits[..n].iter().find(|other| other.value.name == limit.value.name);
        if let Some(first) = first {
            section.problem(
                Problem::new(
                    "named-twice",
                    limit.span.clone(),
                    format!("two limits of the route are called `{}`", limit.value.name),
                )
                .other(first.span.clone(), "the first one")
                .help("limits of one name count together: give this one another `name`"),
            );
        }
    }
    limits.into_iter().map(|at| at.value).collect()
}

fn rate_limit(section: &mut Section<'_, '_, '_>) -> Option<RateLimit> {
    let preset = preset(section);
    let name = section.parsed::<LimitName>("name", "bad-name", "the name of a limit").map(|at| at.value);
    let default_name = preset.and_then(|preset| preset.name.parse().ok());
    let paths = paths(section);
    let default_paths =
        || preset.iter().flat_map(|preset| preset.paths).map(|&path| path.to_owned()).collect();
    let methods = text::methods(section, "methods").unwrap_or_default();
    let requests = section.integer("requests", 1..=REQUESTS_MAX).map(|n| n as u32);
    let per = per(section);
    let burst = section.integer("burst", 1..=REQUESTS_MAX).map(|n| n as u32);
    // Who changes the rate of a preset has not said how many may come at once.
    let default_burst = requests.or(preset.map(|preset| preset.burst));
    let key = key(section).unwrap_or(LimitKey::Address);
    let exempt = networks(section, "exempt").into_iter().map(|net| net.value).collect();
    let body = body(section);
    if preset.is_none() && !section.has("preset") {
        for (key, example) in
            [("name", "name = \"api\""), ("requests", "requests = 10"), ("per", "per = \"1s\"")]
        {
            if !section.has(key) {
                section.missing(key, example);
            }
        }
    }
    let requests = requests.or(preset.map(|preset| preset.requests));
    Some(RateLimit {
        name: name.or(default_name)?,
        paths: paths.unwrap_or_else(default_paths),
        methods,
        requests: requests.and_then(NonZeroU32::new)?,
        per: per.or(preset.map(|preset| preset.per))?,
        burst: burst.or(default_burst).and_then(NonZeroU32::new)?,
        key,
        exempt,
        body: body.or_else(|| preset?.body.map(str::to_owned)),
    })
}

fn preset(section: &mut Section<'_, '_, '_>) -> Option<&'static Preset> {
    let words: Vec<(&str, &Preset)> = PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    section.one_of("preset", &words)
}

fn paths(section: &mut Section<'_, '_, '_>) -> Option<Vec<String>> {
    let paths = section.strings("paths")?;
    Some(paths.value.into_iter().filter_map(|path| text::plain_path(section, "paths", path)).collect())
}

fn per(section: &mut Section<'_, '_, '_>) -> Option<Span> {
    let per = section.duration("per")?;
    if !(PER_MIN..=PER_MAX).contains(&per) {
        let span = section.span_of("per");
        section.problem(
            Problem::new("out-of-range", span, "`per` must be from 1s to 24h")
                .help("`requests = 10` with `per = \"1s\"` is ten a second"),
        );
    }
    Some(per)
}

/// `address`, `header:NAME` or `cookie:NAME`.
fn key(section: &mut Section<'_, '_, '_>) -> Option<LimitKey> {
    let text = section.string("key")?;
    let key = parse_key(&text.value);
    if key.is_none() {
        section.problem(
            Problem::new(
                "unknown-value",
                text.span,
                "`key` must be `address`, `header:NAME` or `cookie:NAME`",
            )
            .help("like `\"header:x-api-key\"`; the address of an IPv6 client is its /64"),
        );
    }
    key
}

fn parse_key(text: &str) -> Option<LimitKey> {
    if text == "address" {
        return Some(LimitKey::Address);
    }
    let (kind, name) = text.split_once(':').filter(|(_, name)| text::is_token(name))?;
    match kind {
        "header" => Some(LimitKey::Header(name.to_ascii_lowercase())),
        "cookie" => Some(LimitKey::Cookie(name.to_owned())),
        _ => None,
    }
}

/// How it is written.
pub(super) fn key_word(key: &LimitKey) -> String {
    match key {
        LimitKey::Address => "address".to_owned(),
        LimitKey::Header(name) => format!("header:{name}"),
        LimitKey::Cookie(name) => format!("cookie:{name}"),
    }
}

fn body(section: &mut Section<'_, '_, '_>) -> Option<String> {
    let body = section.string("body")?;
    if body.value.len() > BODY_BYTES_MAX {
        section.problem(
            Problem::new(
                "too-long",
                body.span,
                format!("`body` is longer than {} KiB", BODY_BYTES_MAX >> 10),
            )
            .help("it is sent to whoever comes too often: the shorter the better"),
        );
    }
    Some(body.value)
}
