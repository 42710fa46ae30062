//! One entry of the journal: its form, and its end.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use jiff::civil::Date;
use maud::html;

use super::{
    form::Sent,
    layout::{self, Frame},
    tasks as list,
    versions::{self, Field, Kind, Misfit, Now, Sort, Typed},
};
use crate::{
    command::Command,
    error::Error,
    journal::{self, Entry},
    web::{
        App,
        guard::Nonce,
        problem::Problem,
        session::{SignedIn, Visitor},
    },
};

static ENTRY: Sort = Sort {
    word: "entry",
    fields: &[
        Field { name: "day", label: "Day", kind: Kind::Date, required: true },
        Field { name: "text", label: "Text", kind: Kind::Lines, required: true },
    ],
    list: "/journal",
    hint: "Markdown is shown as such; a word like #garden is a tag.",
};

/// The page of a day.
pub(super) fn of_day(day: Date) -> String {
    format!("/journal/{day}")
}

fn now(entry: &Entry) -> Now<'static> {
    Now {
        sort: &ENTRY,
        title: "Entry",
        action: format!("/entries/{}", entry.id),
        back: of_day(entry.day),
        rev: entry.rev,
        typed: Typed(vec![entry.day.to_string(), entry.text.clone()]),
    }
}

fn frame<'a>(app: &'a App, who: &'a SignedIn, nonce: &'a Nonce, title: &'a str) -> Frame<'a> {
    Frame::new(app, who, nonce, "/journal", title)
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let account = who.account.id.clone();
    let entry = app.read(move |db| journal::get(db, &account, &id)).await?;
    let frame = frame(&app, &who, &nonce, "Entry");
    let now = now(&entry);
    let content = html! {
        div.head { h1 { "Entry" } }
        (versions::form(&frame, &now, &now.typed, "Save"))
    };
    Ok(layout::page(&frame, content).into_response())
}

pub(super) async fn save(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    match attempt(&app, &nonce, &id, &sent).await {
        Err(problem) if problem.status == StatusCode::PRECONDITION_FAILED => {
            attempt(&app, &nonce, &id, &sent).await
        }
        ended => ended,
    }
}

async fn attempt(app: &App, nonce: &Nonce, id: &str, sent: &Sent) -> Result<Response, Problem> {
    let typed = Typed::sent(&ENTRY, sent, "");
    let (account, wanted) = (sent.who.account.id.clone(), id.to_owned());
    let frame = frame(app, &sent.who, nonce, "Entry");
    let found = app.read(move |db| journal::get(db, &account, &wanted)).await;
    // Asked after the look: what this very form changed is no change of somebody else's.
    let before = list::done_before(app, sent).await?;
    let entry = match (found, before) {
        (Ok(entry), Some(said)) => return Ok(kept(entry.day, &said).into_response()),
        (Err(_), Some(said)) => return Ok(sent.back(Some(&said)).into_response()),
        (Ok(entry), None) => entry,
        (Err(Error::NotFound(_)), None) => return Ok(versions::gone(&frame, &ENTRY, &typed)),
        (Err(error), None) => return Err(error.into()),
    };
    let now = now(&entry);
    if !now.is_what_was_read(sent) {
        return Ok(versions::merge(&frame, &now, &typed, &Typed::sent(&ENTRY, sent, "was_")));
    }
    let Ok(day) = sent.text("day").parse::<Date>() else {
        let why = Error::Invalid(format!("\"{}\" is no day", sent.text("day")));
        return versions::refused(frame, sent, (&now, &typed), Misfit("day", why));
    };
    let text = sent.text("text").to_owned();
    let command = Command::EditEntry { id: id.to_owned(), rev: Some(entry.rev), day, text };
    versions::save(frame, sent, (&now, &typed), ("text", command), |said| kept(day, said)).await
}

/// To the day that it is kept on.
fn kept(day: Date, said: &str) -> Redirect {
    Redirect::to(&format!("{}?said={said}#said", of_day(day)))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    list::run(&app, sent, move |_, _| Ok(Command::DeleteEntry { id })).await
}
