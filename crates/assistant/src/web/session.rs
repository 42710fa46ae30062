//! Who is asking: the session's cookie, or a bearer token.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};

use super::{App, problem::Problem};
use crate::accounts::{Account, IDLE_MS};

const COOKIE: &str = "session";
/// The browser itself holds to the prefix: secure, this host only, whole site.
const SECURE_COOKIE: &str = "__Host-session";

/// Signed in, by cookie or token.
#[derive(Clone)]
pub(super) struct SignedIn {
    pub(super) account: Account,
    pub(super) token: String,
    pub(super) by_cookie: bool,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let nobody = || Problem::new(StatusCode::UNAUTHORIZED, "Sign in first.");
        let (token, by_cookie) = token(&parts.headers).ok_or_else(nobody)?;
        let account = app.inner.accounts.of_session(&token).await?.ok_or_else(nobody)?;
        Ok(Self { account, token, by_cookie })
    }
}

/// The same for pages: whoever is not signed in is sent to the login.
pub(super) struct Visitor(pub(super) SignedIn);

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match SignedIn::from_request_parts(parts, app).await {
            Ok(who) => Ok(Self(who)),
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
                Err(Redirect::to("/login").into_response())
            }
            Err(problem) => Err(problem.into_response()),
        }
    }
}

/// The token, and whether a cookie brought it. A bearer goes first: it cannot be sent by another site.
fn token(headers: &HeaderMap) -> Option<(String, bool)> {
    if let Some(token) = bearer(headers) {
        return Some((token.to_owned(), false));
    }
    let wanted = if is_https(headers) { SECURE_COOKIE } else { COOKIE };
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    let pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    pairs
        .filter(|(name, value)| *name == wanted && !value.is_empty())
        .map(|(_, value)| (value.to_owned(), true))
        .next()
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// What the edge says of the client's connection; it sets the header itself, whatever a client sent.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// `Set-Cookie` for a new session; an empty token takes it away.
pub(super) fn cookie(headers: &HeaderMap, token: &str) -> HeaderValue {
    let (name, secure) = if is_https(headers) { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
    let age = if token.is_empty() { 0 } else { IDLE_MS / 1_000 };
    let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    // Tokens are hex, so this always is a header value.
    HeaderValue::from_str(&cookie).unwrap_or_else(|_| HeaderValue::from_static(""))
}
