//! The list of tasks, and its buttons.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use jiff::{
    ToSpan,
    civil::{Date, Time},
};
use maud::html;
use serde::Deserialize;

use super::{
    dashboard::said,
    form::Sent,
    layout::{self, Frame},
    parts,
};
use crate::{
    accounts::Account,
    command::{self, Command},
    error::{Error, Result},
    once::Reply,
    tasks::{self, Due, State as TaskState, Task},
    web::{App, guard::Nonce, problem::Problem, request::Params, session::Visitor},
};

#[derive(Deserialize)]
pub(super) struct Shown {
    said: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> std::result::Result<Response, Problem> {
    let account = who.account.id.clone();
    let query = move |db: &rusqlite::Connection| {
        Ok((
            tasks::list(db, &account, Some(TaskState::Open), 500, 0)?,
            tasks::list(db, &account, Some(TaskState::Done), 10, 0)?,
        ))
    };
    let (open, done) = app.read(query).await?;
    let said = said(&app, &who.account, shown.said).await;
    let today = who.account.now().date();
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/tasks", title: "Tasks" };
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { "Tasks" } }
        form.sheet.pad method="post" action="/tasks" {
            (parts::hidden(&frame, "/tasks"))
            div.fields {
                input name="title" placeholder="What is to be done?" aria-label="Title" maxlength="500" required autocomplete="off" data-draft="task";
                input type="date" name="day" aria-label="Day";
                input type="time" name="time" aria-label="Time";
                button type="submit" { "Add" }
            }
        }
        div #live {
            @if open.is_empty() {
                section.part.sheet.pad {
                    p { "Nothing is open. Add something above, or say it in the box:" }
                    div.part { (parts::examples(&frame, &["remind me to call Anna tomorrow at 5pm", "add buy coffee to my tasks"])) }
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
    let day = parse::<Date>(sent.text("day"), "day")?;
    let time = parse::<Time>(sent.text("time"), "time")?;
    // A time without a day is today's, as people mean it.
    let day = day.or_else(|| time.map(|_| sent.who.account.now().date()));
    let command =
        Command::AddTask { title: sent.text("title").to_owned(), due: day.map(|day| Due::new(day, time)) };
    run(&app, sent, move |_, _| Ok(command)).await
}

fn parse<T: std::str::FromStr>(text: &str, what: &str) -> std::result::Result<Option<T>, Problem> {
    let parsed = Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose();
    parsed.map_err(|_| Error::Invalid(format!("\"{text}\" is no {what}")).into())
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
        "tomorrow" => {
            let due = tasks::get(tx, &who.id, &id)?.due;
            let day = who.now().date().saturating_add(1.day());
            Ok(Command::MoveTask { id, due: Due::new(day, due.and_then(|due| due.time)) })
        }
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
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let command = command(tx, who)?;
        let done = command::execute(tx, who, &command)?;
        Ok(Reply::new(303, serde_json::json!({"said": done.undo_id})))
    };
    let reply = app.change(&sent.who.account, sent.key.clone(), work).await?;
    Ok(sent.back(reply.body.get("said").and_then(|said| said.as_str())).into_response())
}
