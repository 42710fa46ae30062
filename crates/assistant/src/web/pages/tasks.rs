//! The list of tasks, and its buttons.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use jiff::{ToSpan, civil::Date};
use maud::html;
use serde::Deserialize;

use super::{
    dashboard::said,
    form::Sent,
    layout::{self, Frame},
    parts, task,
    versions::Typed,
};
use crate::{
    accounts::Account,
    command::{self, Command},
    error::{Error, Result},
    once::{Key, Reply},
    tasks::{
        self, State as TaskState, Task,
        snooze::{self, Snooze},
    },
    web::{App, guard::Nonce, problem::Problem, request::Params, session::Visitor},
};

#[derive(Deserialize)]
pub(super) struct Shown {
    said: Option<String>,
    tag: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> std::result::Result<Response, Problem> {
    let account = who.account.id.clone();
    let tag = shown.tag.map(|tag| tag.trim_start_matches('#').to_lowercase()).filter(|tag| !tag.is_empty());
    let wanted = tag.clone();
    let query = move |db: &rusqlite::Connection| {
        let list =
            |state, limit| tasks::list_tagged(db, &account, Some(state), wanted.as_deref(), (limit, 0));
        Ok((list(TaskState::Open, 500)?, list(TaskState::Done, 10)?, tasks::tags_in_use(db, &account)?))
    };
    let (open, done, tags) = app.read(query).await?;
    let said = said(&app, &who.account, shown.said).await;
    let today = who.account.now().date();
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/tasks", title: "Tasks" };
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { "Tasks" @if let Some(tag) = &tag { " · #" (tag) } } }
        form.sheet.pad method="post" action="/tasks" {
            (parts::hidden(&frame, "/tasks"))
            div.fields.adding {
                input name="title" placeholder="What is to be done?" aria-label="Title" maxlength="500" required autocomplete="off" data-draft="task";
                input type="date" name="day" aria-label="Day";
                input type="time" name="time" aria-label="Time";
                button type="submit" { "Add" }
            }
        }
        (parts::tag_links("/tasks", "all tasks", &tags, tag.as_deref()))
        div #live {
            @if open.is_empty() && tag.is_some() {
                section.part.sheet.pad { p { "Nothing open has this tag." } }
            } @else if open.is_empty() {
                section.part.sheet.pad {
                    p { "Nothing is open. Add something above, or say it in the box:" }
                    div.part { (parts::examples(&frame, &["remind me to call Anna tomorrow at 5pm", "add buy coffee to my tasks", "task: stretch every day at 8am #health"])) }
                }
            }
            @for (title, tasks) in groups(open, today) { (parts::task_list(&frame, title, &tasks, today)) }
            (parts::task_list(&frame, "Done lately", &done, today))
        }
    };
    Ok(layout::page(&frame, content).into_response())
}

fn groups(open: Vec<Task>, today: Date) -> Vec<(&'static str, Vec<Task>)> {
    let tomorrow = today.saturating_add(1.day());
    let mut groups = vec![
        ("Carried over", Vec::new()),
        ("Today", Vec::new()),
        ("Tomorrow", Vec::new()),
        ("Later", Vec::new()),
        ("Some day", Vec::new()),
    ];
    for task in open {
        let group = match task.due.map(|due| due.day) {
            None => 4,
            Some(day) if day < today => 0,
            Some(day) if day == today => 1,
            Some(day) if day == tomorrow => 2,
            Some(_) => 3,
        };
        groups[group].1.push(task);
    }
    groups
}

pub(super) async fn add(State(app): State<App>, sent: Sent) -> std::result::Result<Response, Problem> {
    let draft = task::draft(&Typed::sent(&task::TASK, &sent, ""), &sent.who.account, None).await?;
    run(&app, sent, move |_, _| Ok(Command::AddTask(draft))).await
}

pub(super) async fn act(
    State(app): State<App>,
    Path((id, act)): Path<(String, String)>,
    sent: Sent,
) -> std::result::Result<Response, Problem> {
    run(&app, sent, move |tx, who| match act.as_str() {
        "done" => Ok(Command::CompleteTask { id }),
        "reopen" => Ok(Command::ReopenTask { id }),
        "delete" => Ok(Command::DeleteTask { id }),
        "later" => snooze::snooze(tx, who, &id, Snooze::LaterToday),
        "tomorrow" => snooze::snooze(tx, who, &id, Snooze::Tomorrow),
        "next-week" => snooze::snooze(tx, who, &id, Snooze::NextWeek),
        _ => Err(Error::NotFound("button")),
    })
    .await
}

/// Executes the command and goes back to where the form stood, showing it.
pub(super) async fn run(
    app: &App,
    sent: Sent,
    command: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> Result<Command> + Send + 'static,
) -> std::result::Result<Response, Problem> {
    let said = execute(app, &sent.who.account, sent.key.clone(), command).await?;
    Ok(sent.back(said.as_deref()).into_response())
}

/// Executes the command once for the key. Returns the id under which it is undone.
pub(super) async fn execute(
    app: &App,
    who: &Account,
    key: Option<Key>,
    command: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> Result<Command> + Send + 'static,
) -> Result<Option<String>> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let command = command(tx, who)?;
        let done = command::execute(tx, who, &command)?;
        Ok(Reply::new(303, serde_json::json!({"said": done.undo_id})))
    };
    let reply = app.change(who, key, work).await?;
    Ok(reply.body.get("said").and_then(|said| said.as_str()).map(str::to_owned))
}
