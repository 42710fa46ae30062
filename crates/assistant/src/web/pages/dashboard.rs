//! Today: what is now, what is due, what was carried over, the week, the journal.
//!
//! A card whose query fails shows its own error, the rest stands.

use axum::response::IntoResponse;
use axum::{Extension, extract::State, response::Response};
use jiff::{
    ToSpan, Zoned,
    civil::{Date, Time},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    chat, days,
    layout::{self, Frame},
    parts,
};
use crate::{
    accounts::Account,
    chat::Conversation,
    command::{
        undo::{self, Past},
        words,
    },
    error::{self, Result},
    journal::{self, Entry, Filter},
    reminders::{self, Reminder},
    summary::{self, Summary},
    tasks::{Task, agenda},
    web::{
        App,
        guard::{Nonce, RequestId},
        request::Params,
        session::Visitor,
    },
};

/// What the empty day teaches.
pub(in crate::web) const STARTERS: [&str; 3] =
    ["remind me to call Anna tomorrow at 5pm", "task: water the plants every Monday", "what can you do"];

/// Bound: tasks of one list; the page of tasks has all.
const TASKS_MAX: usize = 25;
/// Bound: conversations of the card.
const TALKS_MAX: u32 = 4;

#[derive(Deserialize)]
pub(super) struct Shown {
    /// The command that was just done.
    said: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Extension(request_id): Extension<RequestId>,
    Params(shown): Params<Shown>,
) -> Response {
    let now = who.account.now();
    let today = now.date();
    let said = said(&app, &who.account, shown.said).await;
    let title = "Today";
    let frame = Frame::new(&app, &who, &nonce, "/dashboard", title);
    let cards = Cards::read(&app, &who.account, &now).await;
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { (greeting(&now)) ", " (frame.who.account.name) } p { (now.strftime("%A, %-d %B")) } }
        div.columns {
            div #live { (cards.show(&frame, &request_id.0, today)) }
            aside aria-label="Journal and chat" {
                div #aside { (cards.show_beside(&frame, &request_id.0, today)) }
                (chat::ask_here(&frame))
            }
        }
    };
    layout::page(&frame, content).into_response()
}

/// What stands on the page, each asked for by itself.
struct Cards {
    away: Result<Vec<Reminder>>,
    morning: Result<Option<Summary>>,
    now: Result<Next>,
    of_today: Result<Vec<Task>>,
    carried: Result<Vec<Task>>,
    week: Result<Vec<Task>>,
    entries: Result<Vec<Entry>>,
    talks: Result<Vec<Conversation>>,
}

/// The one thing for now, else what comes first after today.
struct Next {
    now: Option<Task>,
    upcoming: Option<Task>,
}

impl Cards {
    async fn read(app: &App, who: &Account, now: &Zoned) -> Self {
        let today = now.date();
        let (yesterday, week_end) = (today.saturating_sub(1.day()), today.saturating_add(6.days()));
        let time = now.time();
        let account = || who.clone();
        let (of_next, of_day, of_before, of_week) = (account(), account(), account(), account());
        let id = || who.id.clone();
        let (a, b, g, h) = (id(), id(), id(), id());
        let (away, morning, now, of_today, carried, week, entries, talks) = tokio::join!(
            app.read(move |db| reminders::unseen(db, &a)),
            app.read(move |db| summary::get(db, &b, today)),
            app.read(move |db| next(db, &of_next, today, time)),
            app.read(move |db| agenda::due_between(db, &of_day, today, today)),
            app.read(move |db| agenda::due_until(db, &of_before, yesterday)),
            app.read(move |db| agenda::due_between(db, &of_week, today, week_end)),
            app.read(move |db| journal::list(db, &g, &Filter::default(), 1, 0)),
            app.read(move |db| crate::chat::list(db, &h, TALKS_MAX, 0)),
        );
        Self { away, morning, now, of_today, carried, week, entries, talks }
    }

    fn show(&self, frame: &Frame<'_>, request_id: &str, today: Date) -> Markup {
        // What is shown as the one thing is not shown again below it.
        let shown = self.now.as_ref().ok().and_then(|next| next.now.as_ref()).map(|task| task.id.as_str());
        let rest = |tasks: &[Task]| {
            tasks.iter().filter(|task| Some(task.id.as_str()) != shown).cloned().collect::<Vec<_>>()
        };
        let broken = |what: &str, error: &error::Error| broken(what, error, request_id);
        html! {
            @match &self.away { Ok(unseen) => (days::away(frame, unseen)), Err(error) => (broken("Your reminders", error)) }
            @match &self.now { Ok(next) => (now_card(frame, next, today)), Err(error) => (broken("What is now", error)) }
            @match &self.morning { Ok(made) => (days::morning(made.as_ref())), Err(error) => (broken("Your morning summary", error)) }
            @match &self.of_today { Ok(tasks) => (some(frame, "Today", &rest(tasks), today)), Err(error) => (broken("Today", error)) }
            @match &self.carried { Ok(tasks) => (some(frame, "Carried over", &rest(tasks), today)), Err(error) => (broken("What was carried over", error)) }
            @match &self.week { Ok(tasks) => (week(frame, tasks, today)), Err(error) => (broken("Your week", error)) }
        }
    }

    fn show_beside(&self, frame: &Frame<'_>, request_id: &str, today: Date) -> Markup {
        html! {
            @match &self.entries { Ok(entries) => (journal_card(frame, entries.first(), today)), Err(error) => (broken("Your journal", error, request_id)) }
            @match &self.talks { Ok(talks) => (chat_card(frame, talks)), Err(error) => (broken("Your conversations", error, request_id)) }
        }
    }
}

/// What comes next today, else what waits longest.
fn next(db: &rusqlite::Connection, who: &Account, today: Date, time: Time) -> Result<Next> {
    let of_today = agenda::due_between(db, who, today, today)?;
    let to_come = |task: &&Task| task.due_for(who).and_then(|due| due.time).is_none_or(|at| at >= time);
    let now = match of_today.iter().find(to_come).or(of_today.first()) {
        Some(task) => Some(task.clone()),
        None => agenda::due_until(db, who, today.saturating_sub(1.day()))?.into_iter().next(),
    };
    let (first, last) = (today.saturating_add(1.day()), today.saturating_add(6.days()));
    let upcoming = agenda::due_between(db, who, first, last)?.into_iter().next();
    Ok(Next { now, upcoming })
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

fn broken(what: &str, error: &error::Error, request_id: &str) -> Markup {
    tracing::error!(%error, request_id, card = what, "a card failed");
    html! {
        section.part {
            div.sheet.pad {
                p.error role="alert" { (what) " cannot be shown right now. The rest of the page is fine." }
                p { small { "Request " (request_id) } }
            }
        }
    }
}

fn now_card(frame: &Frame<'_>, next: &Next, today: Date) -> Markup {
    let upcoming = next.upcoming.as_ref();
    let Some(task) = &next.now else {
        return html! {
            section.now.calm {
                div {
                    h2 { "Now" }
                    strong { "Nothing is due today." }
                    @if let Some(task) = upcoming { p { "Next: " (task.title) @if let Some(due) = task.due_for(&frame.who.account) { ", " (words::show_due(due, today)) } } }
                }
                @if upcoming.is_none() { (parts::examples(frame, &STARTERS)) }
            }
        };
    };
    html! {
        section.now data-row {
            div {
                h2 { "Now" }
                strong { (task.title) }
                @if let Some(due) = task.due_for(&frame.who.account) { p { (words::show_due(due, today)) } }
            }
            div.row {
                form method="post" action={ "/tasks/" (task.id) "/done" } { (parts::hidden(frame, frame.here)) button type="submit" data-do="done" { (parts::icon("tick")) "Done" } }
                (parts::menu(frame, task, html! { (parts::icon("later")) "Later" span.hidden { ": " (task.title) } }))
            }
        }
    }
}

/// The first of a list, and the way to the others.
fn some(frame: &Frame<'_>, title: &str, tasks: &[Task], today: Date) -> Markup {
    let shown = tasks.get(..TASKS_MAX).unwrap_or(tasks);
    html! {
        (parts::task_list(frame, title, (shown, tasks.len()), today))
        @if tasks.len() > shown.len() { (parts::further("/tasks", &format!("{title}: all of them"))) }
    }
}

fn week(frame: &Frame<'_>, due: &[Task], today: Date) -> Markup {
    let who = &frame.who.account;
    let days = (0..7).map(|ahead: i64| today.saturating_add(ahead.days()));
    let count =
        |day: Date| due.iter().filter(|task| task.due_for(who).is_some_and(|due| due.day == day)).count();
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

fn chat_card(frame: &Frame<'_>, talks: &[Conversation]) -> Markup {
    html! {
        section.part {
            header { h2 { "Chat" } a href="/chat" { "all conversations" } }
            @if talks.is_empty() { div.sheet.pad { p { "Ask for anything the box takes, or talk." } } }
            @else { (chat::talks(frame, talks)) }
        }
    }
}
