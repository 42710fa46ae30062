//! Tasks for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Page, bad_query, etag, next_of};
use crate::{
    accounts::Account,
    command::{self, Command, Done},
    error::Error,
    once::Reply,
    recurrence::{self, Mode, Recurrence, Repeats},
    tasks::{
        self, Draft, Due, State as TaskState, Task,
        snooze::{self, Snooze},
    },
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
    tag: Option<String>,
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
    let tag = which.tag.map(|tag| tag.trim_start_matches('#').to_lowercase());
    let query = move |db: &rusqlite::Connection| {
        tasks::list_tagged(db, &who.account.id, state, tag.as_deref(), (window.0 + 1, window.1))
    };
    let mut rows = app.read(query).await?;
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
    #[serde(default)]
    tags: Vec<String>,
    recurrence: Option<NewRecurrence>,
}

/// How a task is to come again. Its first day is the first on which the rule has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewRecurrence {
    rule: String,
    #[serde(default = "fixed")]
    mode: Mode,
}

fn fixed() -> Mode {
    Mode::Fixed
}

pub(in crate::web) async fn add(
    State(app): State<App>,
    who: SignedIn,
    once: Once<NewTask>,
) -> Result<Response, Problem> {
    let NewTask { title, due_day, due_time, tags, recurrence } = once.body;
    let time = due_time.as_deref().map(time_of_day).transpose()?;
    if recurrence.is_none() && due_day.is_none() && time.is_some() {
        return Err(Error::Invalid("due_time needs due_day".to_owned()).into());
    }
    let mut draft = Draft { title, due: due_day.map(|day| Due::new(day, time)), tags, ..Draft::default() };
    if let Some(new) = recurrence {
        let (recurrence, due) = begin(new, (due_day, time), &who).await?;
        (draft.recurrence, draft.due) = (Some(recurrence), Some(due));
    }
    run(&app, &who, once.key, Command::AddTask(draft), 201).await
}

fn time_of_day(text: &str) -> Result<Time, Error> {
    text.parse().map_err(|_| Error::Invalid("due_time is a time such as 17:00".to_owned()))
}

/// The rule is checked off the async threads: one that never comes costs 0.1 s.
async fn begin(
    new: NewRecurrence,
    (day, time): (Option<Date>, Option<Time>),
    who: &SignedIn,
) -> Result<(Recurrence, Due), Error> {
    let NewRecurrence { rule, mode } = new;
    let now = who.account.now().datetime();
    let work = move || -> Result<(Recurrence, Due), String> {
        let repeats = Repeats { rule: recurrence::check(&rule, mode)?, mode, time, from: None };
        repeats.starting(day, time, now).ok_or_else(|| format!("\"{rule}\" does not come after that day"))
    };
    let begun = tokio::task::spawn_blocking(work).await;
    begun.map_err(|error| Error::Invalid(error.to_string()))?.map_err(Error::Invalid)
}

/// What is not named stays; `null` takes it away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Patch {
    title: Option<String>,
    #[serde(default, deserialize_with = "named")]
    due_day: Option<Option<Date>>,
    #[serde(default, deserialize_with = "named")]
    due_time: Option<Option<String>>,
    tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "named")]
    recurrence: Option<Option<NewRecurrence>>,
}

/// Tells `null` from nothing.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(field).map(Some)
}

/// Changes a task. With `If-Match` only if it still is what was read.
pub(in crate::web) async fn edit(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    once: Once<Patch>,
) -> Result<Response, Problem> {
    let (account, wanted) = (who.account.id.clone(), id.clone());
    let found = app.read(move |db| tasks::get(db, &account, &wanted)).await;
    // Asked after the look: what this very request changed is no change of somebody else's.
    if let Some(reply) = app.answered(&who.account, once.key.as_ref()).await? {
        return Ok(answer(reply));
    }
    let task = found?;
    if !etag::holds(&headers, task.rev) {
        return Err(Error::Stale("task").into());
    }
    let draft = patched(&task, once.body, &who).await?;
    // What was read above is what the patch was applied to, with or without `If-Match`.
    let command = Command::EditTask { id, rev: Some(task.rev), draft };
    run(&app, &who, once.key, command, 200).await
}

async fn patched(task: &Task, patch: Patch, who: &SignedIn) -> Result<Draft, Error> {
    let mut draft = task.draft();
    let old_time = draft.due.and_then(|due| due.time);
    let day = patch.due_day.unwrap_or(draft.due.map(|due| due.day));
    let time = match patch.due_time {
        None => old_time,
        Some(time) => time.as_deref().map(time_of_day).transpose()?,
    };
    if time.is_some() && day.is_none() && time != old_time {
        return Err(Error::Invalid("due_time needs due_day".to_owned()));
    }
    draft.due = day.map(|day| Due::new(day, time));
    draft.title = patch.title.unwrap_or(draft.title);
    draft.tags = patch.tags.unwrap_or(draft.tags);
    match patch.recurrence {
        None => {}
        Some(None) => draft.recurrence = None,
        Some(Some(new)) => {
            let (recurrence, due) = begin(new, (day, time), who).await?;
            (draft.recurrence, draft.due) = (Some(recurrence), Some(due));
        }
    }
    Ok(draft)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Until {
    until: Snooze,
}

pub(in crate::web) async fn snooze(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Until>,
) -> Result<Response, Problem> {
    let until = once.body.until;
    run_with(&app, &who, once.key, 200, move |tx, who| snooze::snooze(tx, who, &id, until)).await
}

pub(in crate::web) async fn get(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let task = app.read(move |db| tasks::get(db, &who.account.id, &id)).await?;
    Ok(etag::with_tag(Json(shapes::task(&task)).into_response(), Some(task.rev)))
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
    run_with(app, who, key, status, move |_, _| Ok(command)).await
}

/// The same with a command that is made in the transaction.
async fn run_with(
    app: &App,
    who: &SignedIn,
    key: Option<crate::once::Key>,
    status: u16,
    command: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> Result<Command, Error> + Send + 'static,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let command = command(tx, who)?;
        let done = command::execute(tx, who, &command)?;
        Ok(Reply::new(status, shape(&done)))
    };
    Ok(answer(app.change(&who.account, key, work).await?))
}

/// With the revision that it tells of.
pub(super) fn answer(reply: Reply) -> Response {
    let rev = ["/task/rev", "/entry/rev"].iter().find_map(|rev| reply.body.pointer(rev)?.as_i64());
    etag::with_tag(reply.into_response(), rev)
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
