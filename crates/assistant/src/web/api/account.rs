//! Signing in and out.

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use kit::{Private, clock, serve::Peer};
use serde::Deserialize;
use serde_json::json;

use crate::{
    accounts::NewSession,
    web::{
        App,
        problem::Problem,
        request::Once,
        session::{self, SignedIn},
    },
};

/// Absent where no socket is, as in tests.
pub(in crate::web) type Connection = Option<Extension<ConnectInfo<Peer>>>;

#[derive(Deserialize)]
pub(in crate::web) struct Login {
    user: String,
    password: String,
}

pub(in crate::web) async fn login(
    State(app): State<App>,
    peer: Connection,
    headers: HeaderMap,
    Once { body, .. }: Once<Login>,
) -> Result<Response, Problem> {
    let from = address(&headers, peer);
    let opened = sign_in(&app, &body.user, body.password, &from).await?;
    let cookie = session::cookie(&headers, opened.token.reveal());
    let body = json!({"token": opened.token.reveal(), "user": opened.account.name, "expires_at": clock::rfc3339(opened.expires_at)});
    Ok(([(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

pub(in crate::web) async fn sign_in(
    app: &App,
    user: &str,
    password: String,
    from: &str,
) -> Result<NewSession, Problem> {
    let opened = app.inner.accounts.sign_in(user, Private::new(password), from).await?;
    opened.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "The name or the password is wrong."))
}

/// Whose guesses are counted together. The edge sets the header itself; without an edge it is the connection's address.
/// Of IPv6 the first 64 bits, which one household holds whole.
pub(in crate::web) fn address(headers: &HeaderMap, peer: Connection) -> String {
    let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let forwarded = forwarded
        .and_then(|list| list.split(',').next_back())
        .and_then(|address| address.trim().parse().ok());
    let address = forwarded.or_else(|| match peer {
        Some(Extension(ConnectInfo(Peer::Tcp(address)))) => Some(address.ip()),
        Some(Extension(ConnectInfo(Peer::Local))) | None => None,
    });
    match address {
        Some(std::net::IpAddr::V6(address)) => {
            address.segments().iter().take(4).map(|part| format!("{part:x}:")).collect()
        }
        Some(address) => address.to_string(),
        None => "local".to_owned(),
    }
}

pub(in crate::web) async fn logout(
    State(app): State<App>,
    headers: HeaderMap,
    who: SignedIn,
) -> Result<Response, Problem> {
    app.inner.accounts.sign_out(&who.token).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, session::cookie(&headers, ""))]).into_response())
}

pub(in crate::web) async fn me(who: SignedIn) -> Response {
    Json(json!({"user": who.account.name, "zone": who.account.zone})).into_response()
}
