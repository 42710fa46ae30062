//! The page behind a sign-up link. Looking at it does not use it up: mail programs and chats fetch links ahead.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};
use jiff::tz::TimeZone;
use kit::Private;
use maud::{Markup, html};

use super::{layout, parts::icon};
use crate::{
    error::Error,
    web::{
        App,
        api::account::{self, Connection},
        guard::Nonce,
        problem::Problem,
        request::Fields,
        session,
    },
};

pub(super) async fn page(
    State(app): State<App>,
    Path(token): Path<String>,
    Extension(nonce): Extension<Nonce>,
) -> Result<Response, Problem> {
    if !app.inner.accounts.link_lives(&token).await? {
        return Ok(gone(&nonce));
    }
    Ok(form(&nonce, &token, "", None).into_response())
}

fn form(nonce: &Nonce, token: &str, user: &str, wrong: Option<&str>) -> Markup {
    let content = html! {
        main.login {
            form.sheet method="post" action={ "/welcome/" (token) } {
                div.mark { (icon("mark")) }
                div.head { h1 { "Welcome" } p { "Choose how you sign in from now on." } }
                @if let Some(wrong) = wrong { p.error role="alert" { (wrong) } }
                label { "Name" input name="user" value=(user) autocomplete="username" autocapitalize="none" data-max="64" required autofocus; }
                label { "Password" input type="password" name="password" autocomplete="new-password" minlength="8" aria-describedby="rule" required; }
                p.rule #rule { "8 characters or more. Nobody can read it later, so keep it somewhere." }
                input type="hidden" name="zone" data-zone;
                button type="submit" { "Make my account" }
            }
        }
    };
    layout::bare(nonce, "Welcome", content)
}

fn gone(nonce: &Nonce) -> Response {
    let content = html! {
        main.login {
            div.sheet.pad {
                div.head { h1 { "This link is over" } p { "It was used, it is too old, or a newer one took its place." } }
                p { "Whoever runs this machine gets a new one with " code { "assistant user link" } "." }
                p.part { a.button href="/login" { "Sign in" } }
            }
        }
    };
    (StatusCode::NOT_FOUND, layout::bare(nonce, "This link is over", content)).into_response()
}

pub(super) async fn submit(
    State(app): State<App>,
    peer: Connection,
    Path(token): Path<String>,
    Extension(nonce): Extension<Nonce>,
    headers: HeaderMap,
    Fields(mut fields): Fields,
) -> Result<Response, Problem> {
    let mut field = |name| fields.remove(name).unwrap_or_default();
    let (user, password, zone) = (field("user"), Private::new(field("password")), field("zone"));
    // A browser without script says nothing; then the settings of the account ask.
    let zone = if TimeZone::get(&zone).is_ok() { zone } else { "UTC".to_owned() };
    let made = match app.inner.accounts.add_by_link(&token, &user, password, &zone).await {
        Ok(account) => account,
        Err(Error::NotFound(_)) => return Ok(gone(&nonce)),
        Err(Error::Invalid(wrong) | Error::Conflict(wrong)) => {
            let again = form(&nonce, &token, &user, Some(&super::sentence(&wrong)));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response());
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!("an account was made by its link");
    let place = account::place(&headers, peer);
    let opened = app.inner.accounts.open_session(made, place).await?;
    let cookie = session::cookie(&headers, opened.token.reveal());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/dashboard")).into_response())
}
