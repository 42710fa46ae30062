//! The account, who answers, what was done lately, and the way out.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use kit::Private;
use maud::{Markup, html};

use super::{
    form::Sent,
    layout::{self, Frame},
    parts,
};
use crate::{
    accounts::{self, Account},
    command::undo::{self, Past},
    once::Reply,
    settings::{Budget, models::show_micros},
    spending::{self, Cost},
    web::{App, guard::Nonce, problem::Problem, session::Visitor},
};

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
) -> Result<Response, Problem> {
    let account = who.account.clone();
    let query =
        move |db: &rusqlite::Connection| Ok((undo::history(db, &account)?, spending::today(db, &account)?));
    let (history, spent) = app.read(query).await?;
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/settings", title: "Settings" };
    let content = html! {
        div.head { h1 { "Settings" } p { "Signed in as " (who.account.name) } }
        section.part {
            header { h2 { "Where you live" } }
            form.sheet.pad method="post" action="/settings/zone" {
                (parts::hidden(&frame, "/settings"))
                div.fields {
                    input name="zone" value=(who.account.zone) aria-label="Time zone" list="zones" autocomplete="off" required;
                    button type="submit" { "Save" }
                }
                datalist #zones { @for zone in zones() { option value=(zone) {} } }
            }
        }
        (past(&frame, &history))
        (password_form(&frame))
        (about(&app, spent))
        section.part {
            form method="post" action="/logout" { (parts::hidden(&frame, "/login")) button.quiet type="submit" { "Sign out" } }
        }
    };
    Ok(layout::page(&frame, content).into_response())
}

fn password_form(frame: &Frame<'_>) -> Markup {
    html! {
        section.part {
            header { h2 { "Password" } }
            form.sheet.pad method="post" action="/settings/password" {
                (parts::hidden(frame, "/settings"))
                div.fields {
                    input type="password" name="old" placeholder="Now" aria-label="Password now" autocomplete="current-password" required;
                    input type="password" name="new" placeholder="New, 8 characters or more" aria-label="New password" autocomplete="new-password" minlength="8" required;
                    button type="submit" { "Change" }
                }
            }
        }
    }
}

/// All other sessions end, so whoever else knew the old one is out.
pub(super) async fn password(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let (old, new) = (Private::new(sent.raw("old").to_owned()), Private::new(sent.raw("new").to_owned()));
    if !app.inner.accounts.change_password(&sent.who.account, &sent.who.token, old, new).await? {
        return Err(Problem::new(StatusCode::FORBIDDEN, "The password now is another. Nothing was changed."));
    }
    Ok(sent.back(None).into_response())
}

fn zones() -> Vec<String> {
    jiff::tz::db()
        .available()
        .map(|zone| zone.to_string())
        .filter(|zone| zone.contains('/') && !zone.starts_with("Etc/"))
        .collect()
}

fn past(frame: &Frame<'_>, history: &[Past]) -> Markup {
    html! {
        section.part {
            header { h2 { "Done lately" } }
            ul.list.plain.sheet {
                @for past in history.iter().take(20) {
                    li data-row {
                        span.title.over[past.undone] { (past.understood) }
                        @if !past.undone && past.stays.is_none() {
                            form method="post" action={ "/undo/" (past.id) } { (parts::hidden(frame, frame.here)) button.quiet type="submit" { "Undo" } }
                        }
                    }
                }
                @if history.is_empty() { li { span.empty { "Nothing yet." } } }
            }
        }
    }
}

fn about(app: &App, spent: Cost) -> Markup {
    let inner = &app.inner;
    html! {
        section.part {
            header { h2 { "About" } }
            dl.sheet.pad {
                dt { "Answers come from" }
                dd { @for model in &inner.models { (model.name) ", else " } "the built-in brain" }
                dt { "Where text goes" }
                dd {
                    @if inner.models.is_empty() { "nowhere: all of it stays on this machine" }
                    @for (n, model) in inner.models.iter().enumerate() { @if n > 0 { ", else " } (model.host()) }
                }
                @if !inner.models.is_empty() { dt { "Used today" } dd { (used(inner.budget, spent)) } }
                dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) @if let Some(release) = inner.release { ", release " (release) } }
            }
        }
    }
}

/// `1200 of 50000 tokens, 0.03 of 2.00`.
fn used(budget: Budget, spent: Cost) -> String {
    let of = |most: Option<String>| most.map_or_else(String::new, |most| format!(" of {most}"));
    let tokens = format!("{}{} tokens", spent.tokens, of(budget.tokens.map(|most| most.to_string())));
    if spent.money_micros == 0 && budget.money_micros.is_none() {
        return tokens;
    }
    format!("{tokens}, {}{}", show_micros(spent.money_micros), of(budget.money_micros.map(show_micros)))
}

pub(super) async fn zone(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let zone = sent.text("zone").to_owned();
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        accounts::set_zone(tx, &who.id, &zone)?;
        Ok(Reply::new(303, serde_json::Value::Null))
    };
    app.change(&sent.who.account, sent.key.clone(), work).await?;
    Ok(sent.back(None).into_response())
}
