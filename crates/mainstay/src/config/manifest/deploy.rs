//! `[deploy]`, `[drain]`, `[logs]`: how a release comes, how the old one goes, how much it may write.

use model::{
    ByteSize, Span,
    manifest::{AbortIf, Canary, Deploy, Drain, DrainHint, Logs, Smoke, Strategy},
};

use super::{service::SIGNALS, text};
use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

/// How `deploy.strategy` is written.
pub(super) const STRATEGIES: [(&str, Strategy); 2] =
    [("blue-green", Strategy::BlueGreen), ("recreate", Strategy::Recreate)];

/// Of a canary that names no time.
const CANARY_DEFAULT: Span = Span::secs(60);
/// The longest bake: after it the old release is not warm any more, however long one waits.
const BAKE_MAX: Span = Span::secs(3600);

pub(super) fn deploy(section: &mut Section<'_, '_, '_>) -> Deploy {
    let default = Deploy::default();
    let strategy = section.one_of("strategy", &STRATEGIES);
    let approval = section.boolean("approval").unwrap_or(default.approval);
    let health_timeout = section.duration("health_timeout").unwrap_or(default.health_timeout);
    let min_healthy_time = section.duration("min_healthy_time").unwrap_or(default.min_healthy_time);
    let bake_time = section.duration("bake_time").unwrap_or(default.bake_time);
    let max_generations = section.integer("max_generations", 2..=64);
    let auto_rollback = section.boolean("auto_rollback").unwrap_or(default.auto_rollback);
    let canary = section.table("canary", canary);
    let abort_if = section.table("abort_if", abort_if).unwrap_or_default();
    let smoke = section.tables("smoke", smoke).unwrap_or_default();
    if bake_time > BAKE_MAX {
        section.problem(Problem::new(
            "out-of-range",
            section.span_of("bake_time"),
            format!("`bake_time` must be at most {BAKE_MAX}"),
        ));
    }
    if min_healthy_time >= health_timeout {
        section.problem(
            Problem::new(
                "limits-crossed",
                section.span_of("min_healthy_time"),
                format!(
                    "`min_healthy_time` ({min_healthy_time}) is not below `health_timeout` ({health_timeout})"
                ),
            )
            .help("the gate would end before an instance could have been ready for long enough"),
        );
    }
    if strategy == Some(Strategy::Recreate) && section.has("canary") {
        section.problem(
            Problem::new(
                "limits-crossed",
                section.span_of("strategy"),
                "with `strategy = \"recreate\"` there is no old release beside a canary",
            )
            .help("leave out `canary`, or `strategy`: then the new release starts beside the old one"),
        );
    }
    Deploy {
        strategy: strategy.unwrap_or_default(),
        approval,
        health_timeout,
        min_healthy_time,
        bake_time,
        max_generations: max_generations.map_or(default.max_generations, |n| n as u32),
        auto_rollback,
        canary,
        abort_if,
        smoke: smoke.into_iter().map(|at| at.value).collect(),
    }
}

fn canary(section: &mut Section<'_, '_, '_>) -> Option<Canary> {
    let weight = section.integer("weight", 1..=99);
    let duration = section.duration("duration").unwrap_or(CANARY_DEFAULT);
    if !section.has("weight") {
        section.missing("weight", "weight = 10");
    }
    if duration > BAKE_MAX {
        section.problem(Problem::new(
            "out-of-range",
            section.span_of("duration"),
            format!("a canary lasts {BAKE_MAX} at most"),
        ));
    }
    Some(Canary { weight: weight? as u8, duration })
}

fn abort_if(section: &mut Section<'_, '_, '_>) -> Option<AbortIf> {
    let default = AbortIf::default();
    let count = |number: Option<u64>, default| number.map_or(default, |n| n as u32);
    Some(AbortIf {
        error_rate: section.number("error_rate", 0.0..=1.0).unwrap_or(default.error_rate),
        // Below one half it would return what is as likely better; 1 is never reached.
        confidence: section.number("confidence", 0.5..=0.999_999).unwrap_or(default.confidence),
        min_errors: count(section.integer("min_errors", 1..=1_000_000), default.min_errors),
        min_clients: count(section.integer("min_clients", 1..=200), default.min_clients),
        slowdown: section.number("slowdown", 1.2..=1_000.0).unwrap_or(default.slowdown),
    })
}

fn smoke(section: &mut Section<'_, '_, '_>) -> Option<Smoke> {
    let get = text::request_path(section, "get");
    if !section.has("get") {
        section.missing("get", "get = \"/\"");
    }
    let host = section.string("host").and_then(|at| text::host(section, at));
    let status = section.integer("status", 100..=599);
    let contains = section.string("contains").map(|at| at.value);
    let first_event_within = section.duration("first_event_within");
    Some(Smoke { get: get?, host, status: status.map_or(200, |n| n as u16), contains, first_event_within })
}

pub(super) fn drain(section: &mut Section<'_, '_, '_>) -> Drain {
    let default = Drain::default();
    let hint = section.string("hint").and_then(|text| {
        let hint = hint(&text.value);
        if hint.is_none() {
            section.problem(
                Problem::new(
                    "unknown-value",
                    text.span,
                    "`drain.hint` must be `none`, `signal:SIGNAL` or `http:/path`",
                )
                .help("like `\"signal:SIGUSR1\"` or `\"http:/drain\"`; without it the app is told nothing"),
            );
        }
        hint
    });
    Drain {
        hint: hint.unwrap_or(default.hint),
        http_timeout: section.duration("http_timeout").unwrap_or(default.http_timeout),
        stream_timeout: section.duration("stream_timeout").unwrap_or(default.stream_timeout),
        websocket_timeout: section.duration("websocket_timeout").unwrap_or(default.websocket_timeout),
        websocket_close_code: close_code(section).unwrap_or(default.websocket_close_code),
        close_jitter: section.duration("close_jitter").unwrap_or(default.close_jitter),
    }
}

/// RFC 6455 section 7.4: what an endpoint may send in a close frame.
fn close_code(section: &mut Section<'_, '_, '_>) -> Option<u16> {
    let code = section.integer("websocket_close_code", 1000..=4999)? as u16;
    let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !may_be_sent {
        let span = section.span_of("websocket_close_code");
        section.problem(
            Problem::new(
                "out-of-range",
                span,
                format!("{code} is no code that may be sent in a WebSocket close"),
            )
            .help("1012 (service restart) makes well-made clients come back"),
        );
    }
    Some(code)
}

fn hint(text: &str) -> Option<DrainHint> {
    if text == "none" {
        return Some(DrainHint::None);
    }
    if let Some(name) = text.strip_prefix("signal:") {
        return SIGNALS
            .iter()
            .find(|(signal, _)| *signal == name)
            .map(|(_, signal)| DrainHint::Signal(*signal));
    }
    let path = text.strip_prefix("http:")?;
    (path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()))
        .then(|| DrainHint::Http(path.to_owned()))
}

pub(super) fn logs(section: &mut Section<'_, '_, '_>) -> Logs {
    section.later(&[Later { key: "redact", instead: "secrets are always redacted" }]);
    let default = Logs::default();
    let max_bytes = section.size("max_bytes").unwrap_or(default.max_bytes);
    if max_bytes < ByteSize::mib(1) {
        let span = section.span_of("max_bytes");
        section.problem(Problem::new("out-of-range", span, "`max_bytes` of logs must be at least 1MiB"));
    }
    Logs { max_bytes, max_age: section.duration("max_age").unwrap_or(default.max_age) }
}
