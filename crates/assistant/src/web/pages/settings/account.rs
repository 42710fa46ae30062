//! Password and sessions: who is signed in where, and how to end it.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use kit::Private;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    super::{form::Sent, layout::Frame, parts, wrong::Wrong},
    refuse, settle, show,
};
use crate::{
    accounts::{
        Account,
        session::{self, Session},
    },
    once::Reply,
    web::{
        App,
        api::account::{Connection, place},
        guard::Nonce,
        problem::Problem,
    },
};

const PASSWORD: &str = "/settings/password";
const SESSIONS: &str = "/settings/sessions";
/// Bound: sessions that are shown.
pub(super) const SESSIONS_MAX: u32 = 50;

/// What was typed does not come back: a password stands in no page.
pub(super) fn password_form(frame: &Frame<'_>) -> Markup {
    let (old, new) = (frame.mark(PASSWORD, "old"), frame.mark(PASSWORD, "new"));
    html! {
        section.part {
            header { h2 { "Password" } }
            form.sheet.pad method="post" action=(PASSWORD) {
                (parts::hidden(frame, "/settings"))
                div.fields {
                    input type="password" name="old" placeholder="Now" aria-label="Password now" autocomplete="current-password" required autofocus[old.is_some()] aria-invalid=[old.map(|_| "true")] aria-describedby=[old];
                    input type="password" name="new" placeholder="New, 8 characters or more" aria-label="New password" autocomplete="new-password" minlength="8" required autofocus[new.is_some()] aria-invalid=[new.map(|_| "true")] aria-describedby=[new];
                    button type="submit" { "Change" }
                }
                (frame.error(PASSWORD, "old")) (frame.error(PASSWORD, "new"))
                p.rule { "All other sessions end with it." }
            }
        }
    }
}

/// `sessions`: one more than is shown says that there are others.
pub(super) fn sessions(frame: &Frame<'_>, sessions: &[Session]) -> Markup {
    let shown = sessions.get(..SESSIONS_MAX as usize).unwrap_or(sessions);
    html! {
        section.part {
            header { h2 { "Signed in" } }
            (frame.error(SESSIONS, "session"))
            ul.list.plain.sheet {
                @for one in shown {
                    li data-row {
                        span.title { (name(one)) small { " " (seen(one, &frame.who.account)) } }
                        @if one.current { small { "this one" } } @else {
                            form method="post" action={ "/settings/sessions/" (one.id) "/end" } {
                                (parts::hidden(frame, "/settings"))
                                button.quiet type="submit" aria-label={ "End: " (name(one)) } { "End" }
                            }
                        }
                    }
                }
            }
            @if sessions.len() > shown.len() { p.part { "These were seen last; there are more, which end with all others." } }
            @if sessions.len() > 1 {
                form.part method="post" action="/settings/sessions/end-others" {
                    (parts::hidden(frame, "/settings"))
                    button.quiet type="submit" { "End all others" }
                }
            }
        }
    }
}

fn name(one: &Session) -> String {
    let device = if one.device.is_empty() { "A device" } else { &one.device };
    if one.address.is_empty() { device.to_owned() } else { format!("{device}, from {}", one.address) }
}

fn seen(one: &Session, who: &Account) -> String {
    let day = |ms: i64| who.local(ms).strftime("%-d %b %Y, %H:%M").to_string();
    format!("since {}, last seen {}", day(one.created_at), day(one.seen_at))
}

/// All other sessions end, so whoever else knew the old one is out.
pub(in crate::web::pages) async fn password(
    State(app): State<App>,
    peer: Connection,
    headers: HeaderMap,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let passwords = (Private::new(sent.raw("old").to_owned()), Private::new(sent.raw("new").to_owned()));
    let network = place(&headers, peer).address;
    let accounts = &app.inner.accounts;
    match accounts.change_password(&sent.who.account, &sent.who.token, &network, passwords).await {
        Ok(true) => Ok(sent.back(None).into_response()),
        Ok(false) => {
            let other = "That is not the password that you have now. Nothing was changed.";
            refuse(&app, &nonce, &sent, "old", Problem::new(StatusCode::FORBIDDEN, other)).await
        }
        Err(error) => refuse(&app, &nonce, &sent, "new", error).await,
    }
}

pub(in crate::web::pages) async fn end(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        session::end(tx, &who.id, &id)?;
        Ok(Reply::new(303, Value::Null))
    };
    match app.change(&sent.who.account, sent.key.clone(), work).await {
        Ok(_) => Ok(sent.back(None).into_response()),
        // Its row is not on the page any more: the words stand above the others.
        Err(error) => {
            let wrong = Wrong::new(SESSIONS, "session", error, BTreeMap::new())?;
            show(&app, &sent.who, &nonce, Some(&wrong)).await
        }
    }
}

pub(in crate::web::pages) async fn end_others(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let current = app.inner.accounts.token_hash(&sent.who.token);
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        session::end_others(tx, &who.id, &current).map(|_| ())
    };
    settle(&app, &nonce, &sent, "session", work).await
}
