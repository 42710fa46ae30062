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
    accounts::{NewSession, Place},
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
    let opened = sign_in(&app, &body.user, body.password, place(&headers, peer)).await?;
    let cookie = session::cookie(&headers, opened.token.reveal());
    let body = json!({"token": opened.token.reveal(), "user": opened.account.name, "expires_at": clock::rfc3339(opened.expires_at)});
    Ok(([(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

pub(in crate::web) async fn sign_in(
    app: &App,
    user: &str,
    password: String,
    from: Place,
) -> Result<NewSession, Problem> {
    let opened = app.inner.accounts.sign_in(user, Private::new(password), from).await?;
    opened.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "The name or the password is wrong."))
}

/// Where a request comes from, as far as its headers and its connection say.
pub(in crate::web) fn place(headers: &HeaderMap, peer: Connection) -> Place {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    Place { address: address(headers, peer), device: device(agent) }
}

/// `Firefox on Linux` from what a browser says of itself; a program by its first word. Nothing else of it is kept.
fn device(agent: &str) -> String {
    // Each claims to be those after it as well.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name)
    };
    match (named(&browsers), named(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => system.to_owned(),
        (None, None) => {
            let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            agent.chars().take_while(plain).take(40).collect()
        }
    }
}

/// Whose guesses are counted together. The edge sets the header itself; without an edge it is the connection's address.
/// Of IPv6 the first 64 bits, which one household holds whole.
fn address(headers: &HeaderMap, peer: Connection) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_in_words_and_nothing_else_of_it_is_kept() {
        for (agent, told) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.5.0", "curl"),
            ("<script>alert(1)</script>", ""),
            ("", ""),
        ] {
            assert_eq!(device(agent), told);
        }
    }

    #[test]
    fn one_household_of_ipv6_is_one_network() {
        let of = |address: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", address.parse().expect("a header"));
            place(&headers, None).address
        };
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(
            of("192.0.2.1, 203.0.113.9"),
            "203.0.113.9",
            "what a client claims before it is not believed"
        );
    }
}
