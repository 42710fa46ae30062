//! The journal: today's page to write on, what was written before, and the search.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    attachments::below as files_below,
    dashboard::said,
    form::Sent,
    layout::{self, Frame},
    parts, tasks,
};
use crate::{
    attachments::{self, Attachment},
    command::{Command, words},
    journal::{self, Entry, Filter},
    web::{App, guard::Nonce, problem::Problem, request::Params, session::Visitor},
};

/// Bound: entries of one page.
const ENTRIES_MAX: u32 = 50;

#[derive(Deserialize)]
pub(super) struct Shown {
    said: Option<String>,
    q: Option<String>,
    after: Option<u32>,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    let account = who.account.id.clone();
    let query = shown.q.as_deref().map(str::trim).filter(|query| !query.is_empty()).map(str::to_owned);
    let filter = Filter { query: query.clone(), ..Filter::default() };
    let after = shown.after.unwrap_or(0);
    let (mut entries, files) = app
        .read(move |db| {
            let entries = journal::list(db, &account, &filter, ENTRIES_MAX + 1, after)?;
            let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
            let files = attachments::of_entries(db, &account, &ids)?;
            Ok((entries, files))
        })
        .await?;
    let more = entries.len() > ENTRIES_MAX as usize;
    entries.truncate(ENTRIES_MAX as usize);
    let said = said(&app, &who.account, shown.said).await;
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/journal", title: "Journal" };
    let today = who.account.now().date();
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { "Journal" } p { (who.account.now().strftime("%A, %-d %B %Y")) } }
        form.write method="post" action="/journal" {
            (parts::hidden(&frame, "/journal"))
            textarea name="text" placeholder="How was today?" aria-label="Entry" maxlength="50000" required data-draft="journal" {}
            button type="submit" { "Keep" }
        }
        section.part {
            form.fields method="get" action="/journal" role="search" {
                input type="search" name="q" value=(query.as_deref().unwrap_or_default()) placeholder="Find in your journal" aria-label="Find";
                button.quiet type="submit" { "Find" }
            }
        }
        div #live {
            (days(&frame, &entries, &files, today))
            @if entries.is_empty() { p.empty { @if query.is_some() { "Nothing has these words." } @else { "Nothing is written yet. A line is enough." } } }
            @if more { p.part { a.button.quiet href={ "/journal?after=" (after + ENTRIES_MAX) @if let Some(query) = &query { "&q=" (encode(query)) } } { "Older" } } }
        }
    };
    Ok(layout::page(&frame, content).into_response())
}

pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn days(frame: &Frame<'_>, entries: &[Entry], files: &[Attachment], today: Date) -> Markup {
    let at = |entry: &Entry| {
        jiff::Timestamp::from_millisecond(entry.created_at)
            .map(|at| at.to_zoned(frame.who.account.time_zone()).strftime("%H:%M").to_string())
            .unwrap_or_default()
    };
    html! {
        @for day in entries.chunk_by(|one, next| one.day == next.day) {
            section.part {
                header { h2 { (day.first().map(|entry| words::show_day(entry.day, today)).unwrap_or_default()) } }
                div.sheet {
                    @for entry in day { article.entry data-row { p { (entry.text) } time { (at(entry)) } (files_below(frame, entry, files)) } }
                }
            }
        }
    }
}

pub(super) async fn add(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let text = sent.text("text").to_owned();
    tasks::run(&app, sent, move |_, _| Ok(Command::AddEntry { text, day: None })).await
}
