//! Around every request: its id, the same-site check, the body's limit, headers that protect pages, metrics, one log
//! line, and the wording of problems.

use std::panic::AssertUnwindSafe;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use kit::app::observe::Observed;

use super::{App, api::tus, pages, problem::Problem, reports, request::body_bytes_max, session};
use crate::ids;

/// The word that this answer's scripts must carry.
#[derive(Clone)]
pub(super) struct Nonce(pub(super) String);

/// What finds this request in the log.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

pub(super) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let seen = Observed::begin(&request);
    let id = &seen.request_id;
    let nonce = Nonce(ids::new_token());
    request.extensions_mut().insert(nonce.clone());
    request.extensions_mut().insert(RequestId(id.clone()));
    let is_program = is_program(&request);
    let answered = match refuse(&request) {
        Some(problem) => problem.into_response(),
        None => AssertUnwindSafe(next.run(limit(request, &seen.route))).catch_unwind().await.unwrap_or_else(
            |_| {
                tracing::error!(request_id = id, route = seen.route, "a handler panicked");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.")
                    .into_response()
            },
        ),
    };
    let mut response = word_problem(answered, is_program, id, &nonce);
    protect(response.headers_mut(), &nonce, id);
    tus::speak(response.headers_mut(), &seen.route);
    seen.end(&app.inner.metrics, response.status());
    response
}

/// Whether an answer is read by a program, which wants its problems as JSON.
fn is_program(request: &Request) -> bool {
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    request.uri().path().starts_with("/api/") || !wants_page
}

/// A change asked for by another site, which a browser would send with our cookie.
fn refuse(request: &Request) -> Option<Problem> {
    let headers = request.headers();
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        || session::bearer(headers).is_some()
        // Changes nothing, and browsers send it without saying where from.
        || request.uri().path() == reports::PATH
        || is_same_site(headers)
    {
        return None;
    }
    Some(Problem::new(StatusCode::FORBIDDEN, "This request came from another site."))
}

/// `Sec-Fetch-Site` where the browser sends it, else `Origin` against `Host`. Neither: no browser of today.
pub(super) fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    match (headers.contains_key(header::ORIGIN), text(header::ORIGIN), text(header::HOST)) {
        (false, _, _) => true,
        (true, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
        }
        (true, _, _) => false,
    }
}

fn limit(request: Request, route: &str) -> Request {
    let most = body_bytes_max(route);
    request.map(|body| Body::new(http_body_util::Limited::new(body, most)))
}

fn word_problem(response: Response, is_program: bool, id: &str, nonce: &Nonce) -> Response {
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    if is_program {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        return (problem.status, kind, problem.json(id)).into_response();
    }
    (problem.status, pages::problem(&problem, id, nonce)).into_response()
}

fn protect(headers: &mut HeaderMap, nonce: &Nonce, id: &str) {
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("content-security-policy", &policy(nonce));
    set("reporting-endpoints", &format!("csp=\"{}\"", reports::PATH));
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("permissions-policy", "camera=(), geolocation=(), payment=(), usb=()");
    set("x-request-id", id);
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn policy(nonce: &Nonce) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'; report-uri {}; report-to csp",
        nonce.0,
        reports::PATH
    )
}
