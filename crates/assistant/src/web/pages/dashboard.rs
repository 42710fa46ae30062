//! Today: what is now, what is due, what was carried over, the week, the journal.
//!
//! A card whose query fails shows its own error, the rest stands.

use axum::response::IntoResponse;
use axum::{Extension, extract::State, response::Response};
use jiff::{ToSpan, Zoned, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    layout::{self, Frame},
    parts,
};
use crate::{
    accounts::Account,
    command::{
        undo::{self, Past},
        words,
    },
    error,
    journal::{self, Entry, Filter},
    tasks::{self, Task},
    web::{App, guard::Nonce, request::Params, session::Visitor},
};

#[derive(Deserialize)]
pub(super) struct Shown {
    /// The command that was just done.
    said: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> Response {
    let now = who.account.now();
    let today = now.date();
    let account = who.account.id.clone();
    let week_end = today.saturating_add(6.days());
    let query_account = account.clone();
    let due = app.read(move |db| tasks::due_until(db, &query_account, week_end)).await;
    let query_account = account.clone();
    let entries = app.read(move |db| journal::list(db, &query_account, &Filter::default(), 1, 0)).await;
    let said = said(&app, &who.account, shown.said).await;
    let title = "Today";
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/dashboard", title };
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { (greeting(&now)) ", " (frame.who.account.name) } p { (now.strftime("%A, %-d %B")) } }
        div #live {
            @match &due { Ok(due) => (cards(&frame, due, &now)), Err(error) => (broken("Your tasks", error)) }
            @match &entries { Ok(entries) => (journal_card(&frame, entries.first(), today)), Err(error) => (broken("Your journal", error)) }
        }
    };
    layout::page(&frame, content).into_response()
}

/// The command of `?said=`, if it is this account's.
pub(super) async fn said(app: &App, who: &Account, id: Option<String>) -> Option<Past> {
    let (who, id) = (who.clone(), id?);
    app.read(move |db| undo::get(db, &who, &id)).await.ok().flatten()
}

fn greeting(now: &Zoned) -> &'static str {
    match now.hour() {
        5..=11 => "Good morning",
        12..=17 => "Good afternoon",
        18..=22 => "Good evening",
        _ => "Hello",
    }
}

fn broken(what: &str, error: &error::Error) -> Markup {
    tracing::error!(%error, card = what, "a card failed");
    html! { section.part { div.sheet.pad { p.error role="alert" { (what) " cannot be shown right now. The rest of the page is fine." } } } }
}

fn cards(frame: &Frame<'_>, due: &[Task], now: &Zoned) -> Markup {
    let today = now.date();
    let day = |task: &Task| task.due.map_or(today, |due| due.day);
    let of_today: Vec<Task> = due.iter().filter(|task| day(task) == today).cloned().collect();
    let carried: Vec<Task> = due.iter().filter(|task| day(task) < today).cloned().collect();
    // What comes next today, else what waits longest.
    let next =
        of_today.iter().find(|task| task.due.and_then(|due| due.time).is_none_or(|time| time >= now.time()));
    let next = next.or(of_today.first()).or(carried.first());
    let rest = |tasks: &[Task]| {
        tasks.iter().filter(|task| next.is_none_or(|next| next.id != task.id)).cloned().collect::<Vec<_>>()
    };
    html! {
        (now_card(frame, next, due.iter().find(|task| day(task) > today), today))
        (parts::task_list(frame, "Today", &rest(&of_today), today))
        (parts::task_list(frame, "Carried over", &rest(&carried), today))
        (week(due, today))
    }
}

fn now_card(frame: &Frame<'_>, next: Option<&Task>, upcoming: Option<&Task>, today: Date) -> Markup {
    let Some(task) = next else {
        return html! {
            section.now.calm {
                div {
                    h2 { "Now" }
                    strong { "Nothing is due today." }
                    @if let Some(task) = upcoming { p { "Next: " (task.title) @if let Some(due) = task.due { ", " (words::show_due(due, today)) } } }
                }
                @if upcoming.is_none() { (parts::examples(frame, &["remind me to call Anna tomorrow at 5pm", "what can you do"])) }
            }
        };
    };
    html! {
        section.now data-row {
            div {
                h2 { "Now" }
                strong { (task.title) }
                @if let Some(due) = task.due { p { (words::show_due(due, today)) } }
            }
            div.row {
                form method="post" action={ "/tasks/" (task.id) "/done" } { (parts::hidden(frame, frame.here)) button type="submit" data-do="done" { (parts::icon("tick")) "Done" } }
                form method="post" action={ "/tasks/" (task.id) "/tomorrow" } { (parts::hidden(frame, frame.here)) button.quiet type="submit" { (parts::icon("later")) "Tomorrow" } }
            }
        }
    }
}

fn week(due: &[Task], today: Date) -> Markup {
    let days = (0..7).map(|ahead: i64| today.saturating_add(ahead.days()));
    let count = |day: Date| due.iter().filter(|task| task.due.is_some_and(|due| due.day == day)).count();
    html! {
        section.part {
            header { h2 { "Next seven days" } a href="/tasks" { "all tasks" } }
            ol.week.sheet {
                @for day in days {
                    li.today[day == today] {
                        span { (day.strftime("%a")) }
                        b { (day.day()) }
                        span.dots aria-hidden="true" { @for _ in 0..count(day).min(4) { i {} } }
                        span.hidden { (count(day)) " due" }
                    }
                }
            }
        }
    }
}

fn journal_card(frame: &Frame<'_>, last: Option<&Entry>, today: Date) -> Markup {
    html! {
        section.part {
            header { h2 { "Journal" } a href="/journal" { "open" } }
            div.sheet {
                @match last {
                    Some(entry) => div.entry { time datetime=(entry.day) { (words::show_day(entry.day, today)) } p { (words::shorten(&entry.text)) } },
                    None => div.pad { (parts::examples(frame, &["journal: slept well, long walk by the river"])) },
                }
            }
        }
    }
}
