//! What browsers report of the pages' policy (CSP). A report holds addresses and pieces of pages, which are people's:
//! the directive and the kind of what was blocked are logged and counted, the rest is dropped.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, State},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use serde_json::Value;

use super::{App, problem::Problem};

/// Where the policy tells browsers to report to.
pub(super) const PATH: &str = "/csp-reports";
/// The counter of reports.
pub(crate) const REPORTS: &str = "csp_reports_total";
/// Bound: a body. Browsers send one to a few reports at a time.
pub(super) const BYTES_MAX: usize = 16 * 1_024;
/// Bound: reports that are read of one body.
const REPORTS_MAX: usize = 20;
/// Bound: bodies that this process reads in a minute, from everybody.
const PER_MINUTE: std::num::NonZeroU32 = std::num::NonZeroU32::new(60).expect("60 is not 0");
/// Those of the policy of our pages; whatever else is reported is told as `other`, since anybody may write here.
const DIRECTIVES: [&str; 12] = [
    "default-src",
    "script-src",
    "script-src-elem",
    "script-src-attr",
    "style-src",
    "style-src-elem",
    "style-src-attr",
    "img-src",
    "connect-src",
    "form-action",
    "base-uri",
    "frame-ancestors",
];

pub(super) fn limiter() -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_minute(PER_MINUTE))
}

pub(super) async fn take(State(app): State<App>, request: Request) -> Result<StatusCode, Problem> {
    if app.inner.reports.check().is_err() {
        app.inner.metrics.add(REPORTS, &["dropped"]);
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many reports; this one was dropped."));
    }
    let body = Bytes::from_request(request, &app).await.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("A report has at most {} KiB.", BYTES_MAX / 1_024),
        )
    })?;
    let read: Value = serde_json::from_slice(&body)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "This is no report of a browser."))?;
    for (directive, blocked) in reports(&read) {
        app.inner.metrics.add(REPORTS, &[directive]);
        tracing::warn!(directive, blocked, "a browser blocked something on a page");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Directive and kind of each report, in the form of `report-uri` (CSP 2) or of the Reporting API.
fn reports(read: &Value) -> Vec<(&'static str, &'static str)> {
    let of = |body: &Value, directive: &str, blocked: &str| {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        (known(&text(directive)), kind(&text(blocked)))
    };
    match read {
        Value::Array(all) => all
            .iter()
            .filter(|report| report["type"] == "csp-violation")
            .take(REPORTS_MAX)
            .map(|report| of(&report["body"], "effectiveDirective", "blockedURL"))
            .collect(),
        one => one
            .get("csp-report")
            .map(|body| {
                let name = if body.get("effective-directive").is_some() {
                    "effective-directive"
                } else {
                    "violated-directive"
                };
                of(body, name, "blocked-uri")
            })
            .into_iter()
            .collect(),
    }
}

fn known(directive: &str) -> &'static str {
    let name = directive.split(' ').next().unwrap_or_default();
    DIRECTIVES.into_iter().find(|known| *known == name).unwrap_or("other")
}

fn kind(blocked: &str) -> &'static str {
    if blocked.starts_with("http://") || blocked.starts_with("https://") {
        return "an address";
    }
    ["inline", "eval", "data", "blob", "self"].into_iter().find(|kind| *kind == blocked).unwrap_or("other")
}
