//! The way in and out.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};
use maud::{Markup, html};

use super::{form::Sent, layout, parts::icon};
use crate::web::{
    App,
    api::account::{self, Connection},
    guard::Nonce,
    problem::Problem,
    request::Fields,
    session::{self, SignedIn},
};
use crate::{
    accounts::{self, Account},
    once::Reply,
};

pub(super) async fn page(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    who: Result<SignedIn, Problem>,
) -> Result<Response, Problem> {
    if who.is_ok() {
        return Ok(Redirect::to("/dashboard").into_response());
    }
    if !app.inner.accounts.any().await? {
        return Ok(nobody_yet(&nonce).into_response());
    }
    Ok(form(&nonce, "", None).into_response())
}

/// A password that nobody has cannot be typed: say how to get one.
fn nobody_yet(nonce: &Nonce) -> Markup {
    let content = html! {
        main.login {
            div.sheet.pad {
                div.mark { (icon("mark")) }
                div.head { h1 { "Almost there" } p { "There is no account yet." } }
                p { "The log of " code { "web" } " holds a link to make the first one. A new link: " code { "assistant user link" } "." }
            }
        }
    };
    layout::bare(nonce, "Almost there", content)
}

fn form(nonce: &Nonce, user: &str, wrong: Option<&str>) -> Markup {
    layout::bare(
        nonce,
        "Sign in",
        html! {
            main.login {
                form.sheet method="post" action="/login" {
                    div.mark { (icon("mark")) }
                    div.head { h1 { "Welcome back" } p { "Your tasks, your journal, one box." } }
                    @if let Some(wrong) = wrong { p.error role="alert" { (wrong) } }
                    label { "Name" input name="user" value=(user) autocomplete="username" autocapitalize="none" required autofocus[user.is_empty()]; }
                    label { "Password" input type="password" name="password" autocomplete="current-password" required autofocus[!user.is_empty()]; }
                    input type="hidden" name="zone" data-zone;
                    button type="submit" { "Sign in" }
                }
            }
        },
    )
}

pub(super) async fn submit(
    State(app): State<App>,
    peer: Connection,
    Extension(nonce): Extension<Nonce>,
    headers: HeaderMap,
    Fields(mut fields): Fields,
) -> Result<Response, Problem> {
    let user = fields.remove("user").unwrap_or_default();
    let password = fields.remove("password").unwrap_or_default();
    match account::sign_in(&app, &user, password, account::place(&headers, peer)).await {
        Ok(opened) => {
            live_here(&app, &opened.account, fields.remove("zone").unwrap_or_default()).await;
            let cookie = session::cookie(&headers, opened.token.reveal());
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/dashboard")).into_response())
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
            Ok((StatusCode::UNAUTHORIZED, form(&nonce, &user, Some(&problem.detail))).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// Whoever never said where they live lives where their browser does; it can be changed in the settings.
async fn live_here(app: &App, who: &Account, zone: String) {
    if who.zone != "UTC" || zone.is_empty() {
        return;
    }
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        accounts::set_zone(tx, &who.id, &zone)?;
        Ok(Reply::new(200, serde_json::Value::Null))
    };
    // A browser that says nonsense is no reason to refuse a login.
    if let Err(error) = app.change(who, None, work).await {
        tracing::debug!(%error, "the browser's time zone was not taken");
    }
}

pub(super) async fn leave(
    State(app): State<App>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    app.inner.accounts.sign_out(&sent.who.token).await?;
    Ok(([(header::SET_COOKIE, session::cookie(&headers, ""))], Redirect::to("/login")).into_response())
}
