//! What was done lately, and the way back.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Zoned;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    dashboard::said,
    layout::{self, Frame},
    parts,
};
use crate::{
    command::{
        undo::{self, Past},
        words,
    },
    web::{App, guard::Nonce, problem::Problem, request::Params, session::Visitor},
};

/// What the empty page teaches: a task, an entry, and taking it back in words.
pub(in crate::web) const STARTERS: [&str; 3] =
    ["remind me to call Anna tomorrow at 5pm", "journal: slept well, long walk by the river", "undo"];

/// Bound: lines of one page.
const LINES_MAX: u32 = 50;

#[derive(Deserialize)]
pub(super) struct Shown {
    said: Option<String>,
    #[serde(default)]
    after: u32,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    let account = who.account.clone();
    let after = shown.after;
    let mut history = app.read(move |db| undo::history(db, &account, (LINES_MAX + 1, after))).await?;
    let more = history.len() > LINES_MAX as usize;
    history.truncate(LINES_MAX as usize);
    let said = said(&app, &who.account, shown.said).await;
    let now = who.account.now();
    let frame = Frame::new(&app, &who, &nonce, "/history", "History");
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { "Done lately" } p { "What was done, the newest first." } }
        div #live {
            @if history.is_empty() && after > 0 {
                p.empty { "Nothing is older. " a href="/history" { "What was done last" } }
            } @else if history.is_empty() {
                section.sheet.pad {
                    p { "Nothing was done yet. What you do stands here, each with its Undo; say one of these and take it back:" }
                    div.part { (parts::examples(&frame, &STARTERS)) }
                }
            } @else {
                ul.list.plain.sheet data-newest="first" { @for past in &history { (line(&frame, past, &now)) } }
            }
            @if more { (parts::further(&format!("/history?after={}", after.saturating_add(LINES_MAX)), "Older")) }
        }
    };
    Ok(layout::page(&frame, content).into_response())
}

fn line(frame: &Frame<'_>, past: &Past, now: &Zoned) -> Markup {
    let at = frame.who.account.local(past.at);
    html! {
        li data-row {
            span.title {
                span.over[past.undone] { (past.understood) }
                small.note { (words::show_day(at.date(), now.date())) ", " (words::show_time(at.time())) @if past.undone { " · undone" } @if let Some(stays) = past.stays { " · " (stays) } }
            }
            @if !past.undone && past.stays.is_none() {
                form method="post" action={ "/undo/" (past.id) } {
                    (parts::hidden(frame, "/history"))
                    button.quiet type="submit" data-do="undo" aria-label={ "Undo: " (past.understood) } { "Undo" }
                }
            }
        }
    }
}
