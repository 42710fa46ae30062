//! Tasks for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use jiff::civil::{Date, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, bad_query, next_of};
use crate::{
    command::{self, Command, Done},
    error::Error,
    once::Reply,
    tasks::{self, Due, State as TaskState},
    web::{
        App, json as shapes,
        problem::Problem,
        request::{Empty, Once, Params},
        session::SignedIn,
    },
};

#[derive(Deserialize)]
pub(in crate::web) struct Which {
    state: Option<String>,
    limit: Option<u32>,
    after: Option<u32>,
}

pub(in crate::web) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Params(which): Params<Which>,
) -> Result<Json<Value>, Problem> {
    let state = match which.state.as_deref() {
        None | Some("open") => Some(TaskState::Open),
        Some("done") => Some(TaskState::Done),
        Some("all") => None,
        Some(_) => return Err(bad_query("state is open, done or all.")),
    };
    let window = Page { limit: which.limit, after: which.after }.window();
    let mut rows =
        app.read(move |db| tasks::list(db, &who.account.id, state, window.0 + 1, window.1)).await?;
    let next = next_of(&mut rows, window);
    Ok(Json(json!({"tasks": rows.iter().map(shapes::task).collect::<Vec<_>>(), "next": next})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewTask {
    title: String,
    due_day: Option<Date>,
    /// `17:00`.
    due_time: Option<String>,
}

pub(in crate::web) async fn add(
    State(app): State<App>,
    who: SignedIn,
    once: Once<NewTask>,
) -> Result<Response, Problem> {
    let NewTask { title, due_day, due_time } = once.body;
    let time = due_time
        .map(|time| time.parse::<Time>())
        .transpose()
        .map_err(|_| Error::Invalid("due_time is a time such as 17:00".to_owned()))?;
    if due_day.is_none() && time.is_some() {
        return Err(Error::Invalid("due_time needs due_day".to_owned()).into());
    }
    let command = Command::AddTask { title, due: due_day.map(|day| Due::new(day, time)) };
    run(&app, &who, once.key, command, 201).await
}

pub(in crate::web) async fn get(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let task = app.read(move |db| tasks::get(db, &who.account.id, &id)).await?;
    Ok(Json(shapes::task(&task)))
}

pub(in crate::web) async fn done(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    run(&app, &who, once.key, Command::CompleteTask { id }, 200).await
}

pub(in crate::web) async fn reopen(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    run(&app, &who, once.key, Command::ReopenTask { id }, 200).await
}

pub(in crate::web) async fn remove(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    run(&app, &who, once.key, Command::DeleteTask { id }, 200).await
}

/// Executes one command and answers with what it left.
pub(super) async fn run(
    app: &App,
    who: &SignedIn,
    key: Option<crate::once::Key>,
    command: Command,
    status: u16,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &crate::accounts::Account| {
        let done = command::execute(tx, who, &command)?;
        Ok(Reply::new(status, shape(&done)))
    };
    Ok(app.change(&who.account, key, work).await?.into_response())
}

fn shape(done: &Done) -> Value {
    let mut shape = json!({"undo_id": done.undo_id, "understood": done.understood});
    if let Some(task) = &done.task {
        shape["task"] = shapes::task(task);
    }
    if let Some(entry) = &done.entry {
        shape["entry"] = shapes::entry(entry);
    }
    shape
}
