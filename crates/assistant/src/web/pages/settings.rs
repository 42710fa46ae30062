//! The account, who answers, what was done lately, and the way out.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};

use super::{
    days,
    form::Sent,
    layout::{self, Frame},
    parts,
    wrong::Wrong,
};
use crate::{
    accounts::{self, Account},
    command::undo::{self, Past},
    erase,
    error::Result as Done,
    habits,
    import::Imported,
    once::Reply,
    settings::{Budget, models::show_micros},
    spending::{self, Cost},
    summary,
    web::{
        App,
        guard::Nonce,
        problem::Problem,
        request::Params,
        session::{SignedIn, Visitor},
    },
    when::Lesson,
};

pub(super) mod account;
pub(super) mod data;

/// Bound: what was done lately, of which the history has all.
const DONE_MAX: u32 = 20;

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(imported): Params<Imported>,
) -> Result<Response, Problem> {
    page_with(&app, &who, &nonce, (imported, None)).await
}

/// The page; with `wrong` as the answer to one of its forms.
async fn show(app: &App, who: &SignedIn, nonce: &Nonce, wrong: Option<&Wrong>) -> Result<Response, Problem> {
    page_with(app, who, nonce, (Imported::default(), wrong)).await
}

/// The same after something was `imported`.
async fn page_with(
    app: &App,
    who: &SignedIn,
    nonce: &Nonce,
    (imported, wrong): (Imported, Option<&Wrong>),
) -> Result<Response, Problem> {
    let account = who.account.clone();
    let query = move |db: &rusqlite::Connection| {
        let (lessons, hour) = (habits::lessons(db, &account.id)?, summary::hour(db, &account.id)?);
        let (spent, erase_at) = (spending::today(db, &account)?, erase::asked(db, &account.id)?);
        Ok((undo::history(db, &account, (DONE_MAX, 0))?, lessons, hour, spent, erase_at))
    };
    let (history, lessons, hour, spent, erase_at) = app.read(query).await?;
    let sessions =
        app.inner.accounts.sessions(&who.account, &who.token, (account::SESSIONS_MAX + 1, 0)).await?;
    let frame = Frame::new(app, who, nonce, "/settings", "Settings").answering(wrong);
    let zone = frame.mark("/settings/zone", "zone");
    let content = html! {
        div.head { h1 { "Settings" } p { "Signed in as " (who.account.name) } }
        section.part {
            header { h2 { "Where you live" } }
            form.sheet.pad method="post" action="/settings/zone" {
                (parts::hidden(&frame, "/settings"))
                div.fields {
                    input name="zone" value=(frame.typed("/settings/zone", "zone", &who.account.zone)) aria-label="Time zone" list="zones" autocomplete="off" required autofocus[zone.is_some()] aria-invalid=[zone.map(|_| "true")] aria-describedby=[zone];
                    button type="submit" { "Save" }
                }
                (frame.error("/settings/zone", "zone"))
                datalist #zones { @for zone in zones() { option value=(zone) {} } }
            }
        }
        (how_times_are_said(&frame, &lessons))
        (days::settings(&frame, hour))
        (past(&frame, &history))
        (account::password_form(&frame))
        (account::sessions(&frame, &sessions))
        (data::privacy(app))
        (data::yours(&frame, imported, erase_at))
        (about(app, spent))
        section.part {
            div.offers {
                form method="post" action="/logout" { (parts::hidden(&frame, "/login")) button.quiet type="submit" { "Sign out" } }
                button.quiet type="button" data-keys { "Keys" }
            }
        }
    };
    Ok(Wrong::respond(wrong, layout::page(&frame, content)))
}

/// Does what a form of this page asks for, and comes back; what is wrong with it is told at `field`.
async fn settle(
    app: &App,
    nonce: &Nonce,
    sent: &Sent,
    field: &'static str,
    work: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> Done<()> + Send + 'static,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        work(tx, who)?;
        Ok(Reply::new(303, serde_json::Value::Null))
    };
    match app.change(&sent.who.account, sent.key.clone(), work).await {
        Ok(_) => Ok(sent.back(None).into_response()),
        Err(error) => refuse(app, nonce, sent, field, error).await,
    }
}

/// The page again, with what is wrong at `field` of the form.
async fn refuse(
    app: &App,
    nonce: &Nonce,
    sent: &Sent,
    field: &'static str,
    problem: impl Into<Problem>,
) -> Result<Response, Problem> {
    let wrong = sent.wrong(field, problem)?;
    show(app, &sent.who, nonce, Some(&wrong)).await
}

/// What answers taught, each with the button that has it asked again.
fn how_times_are_said(frame: &Frame<'_>, lessons: &[Lesson]) -> Markup {
    html! {
        @if !lessons.is_empty() || frame.is_wrong("/settings/forget") {
            section.part {
                header { h2 { "How you say times" } }
                (frame.error("/settings/forget", "subject"))
                ul.list.plain.sheet {
                    @for lesson in lessons {
                        li {
                            span.title { (lesson.shown()) }
                            form method="post" action="/settings/forget" {
                                (parts::hidden(frame, frame.here))
                                input type="hidden" name="subject" value=(lesson.subject());
                                button.quiet type="submit" aria-label={ "Ask again: " (lesson.shown()) } { "Ask again" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// From now on it is asked again.
pub(super) async fn forget(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let subject = sent.text("subject").to_owned();
    settle(&app, &nonce, &sent, "subject", move |tx, who| habits::forget(tx, &who.id, &subject)).await
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
            header { h2 { "Done lately" } a href="/history" { "All of it" } }
            ul.list.plain.sheet {
                @for past in history {
                    li data-row {
                        span.title.over[past.undone] { (past.understood) }
                        @if !past.undone && past.stays.is_none() {
                            form method="post" action={ "/undo/" (past.id) } { (parts::hidden(frame, frame.here)) button.quiet type="submit" { "Undo" } }
                        }
                    }
                }
                @if history.is_empty() { li { span.empty { "Nothing yet. What you do stands here, each with its Undo; the box below does things." } } }
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

pub(super) async fn zone(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let zone = sent.text("zone").to_owned();
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        accounts::set_zone(tx, &who.id, &zone)?;
        // Their morning is at another instant now.
        summary::plan(tx, &Account { zone: zone.clone(), ..who.clone() })
    };
    settle(&app, &nonce, &sent, "zone", work).await
}

/// The hour of the morning summary.
pub(super) async fn morning(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let at = sent.text("at").to_owned();
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        summary::set_hour(tx, who, summary::parse_hour(&at)?)
    };
    settle(&app, &nonce, &sent, "at", work).await
}
