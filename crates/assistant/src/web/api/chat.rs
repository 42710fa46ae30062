//! Conversations for programs. Branches and proposals are in `branch`.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use kit::jobs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PAGE_MAX, Page, bad_query, next_of};
use crate::{
    accounts::Account,
    chat::{self, Spoken, shown, sources::Source, window::Part},
    command::{self, Command},
    error::{self, Error},
    once::{Key, Reply},
    web::{
        App,
        problem::Problem,
        request::{Empty, Once, Params},
        session::SignedIn,
    },
};

pub(in crate::web) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Params(page): Params<Page>,
) -> Result<Json<Value>, Problem> {
    let window = page.window();
    let mut rows = app.read(move |db| chat::list(db, &who.account.id, window.0 + 1, window.1)).await?;
    let next = next_of(&mut rows, window);
    Ok(Json(json!({"conversations": rows, "next": next})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewConversation {
    #[serde(default)]
    title: String,
}

pub(in crate::web) async fn create(
    State(app): State<App>,
    who: SignedIn,
    once: Once<NewConversation>,
) -> Result<Response, Problem> {
    let title = once.body.title;
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let new = chat::create(tx, &who.id, &title)?;
        Ok(Reply::new(201, json!(new)))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}

/// Bound: messages of one page, where the address says nothing.
const MESSAGES: u32 = 200;

/// `?limit=&after=`; `after` is the `next` of the page before, a message's id.
#[derive(Deserialize)]
pub(in crate::web) struct Messages {
    limit: Option<u32>,
    after: Option<String>,
}

/// The last messages first, a page of them in the order in which they were said.
pub(in crate::web) async fn get(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    Params(wanted): Params<Messages>,
) -> Result<Json<Value>, Problem> {
    let limit = wanted.limit.unwrap_or(MESSAGES).clamp(1, PAGE_MAX);
    let part = wanted.after.map_or(Part::Last, Part::Before);
    let query = move |db: &rusqlite::Connection| {
        let conversation = chat::get(db, &who.account.id, &id)?;
        match shown::window(db, &who.account, &id, &part, limit) {
            Err(Error::NotFound("message")) => Ok((conversation, None)),
            window => Ok((conversation, Some(window?))),
        }
    };
    let (conversation, window) = app.read(query).await?;
    let window = window.ok_or_else(|| bad_query("after is the next of the page before."))?;
    let first = window.messages.first().filter(|_| window.earlier);
    let mut shape = json!(conversation);
    shape["next"] = json!(first.map(|first| &first.message.id));
    shape["messages"] = json!(window.messages);
    Ok(Json(shape))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Title {
    title: String,
}

pub(in crate::web) async fn rename(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Title>,
) -> Result<Response, Problem> {
    let command = Command::RenameConversation { id, title: once.body.title };
    Ok(done(&app, &who.account, command, once.key).await?.into_response())
}

pub(in crate::web) async fn remove(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let command = Command::DeleteConversation { id };
    Ok(done(&app, &who.account, command, once.key).await?.into_response())
}

/// Does `command`; its answer bears the `undo_id`.
pub(in crate::web) async fn done(
    app: &App,
    who: &Account,
    command: Command,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let done = command::execute(tx, who, &command)?;
        Ok(Reply::new(200, json!({"undo_id": done.undo_id, "understood": done.understood})))
    };
    Ok(app.change(who, key, work).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Text {
    pub(in crate::web) text: String,
}

/// What is said, and texts from elsewhere beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Words {
    text: String,
    #[serde(default)]
    sources: Vec<Source>,
}

pub(in crate::web) async fn say(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Words>,
) -> Result<Response, Problem> {
    Ok(say_in(&app, &who.account, id, once.body, once.key).await?.into_response())
}

impl Words {
    /// A person's words alone.
    pub(in crate::web) fn own(text: &str) -> Self {
        Self { text: text.to_owned(), sources: Vec::new() }
    }
}

/// Stores question, answer to come and job, and wakes this process's runner.
pub(in crate::web) async fn say_in(
    app: &App,
    who: &Account,
    conversation: String,
    words: Words,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    answering(app, who, key, move |tx, who| {
        chat::say(tx, &who.id, &conversation, &Spoken { text: &words.text, sources: &words.sources })
    })
    .await
}

/// `work` stores an answer to come and gives its id.
pub(in crate::web) async fn answering(
    app: &App,
    who: &Account,
    key: Option<Key>,
    work: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> error::Result<String> + Send + 'static,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let answer = work(tx, who)?;
        let stream = format!("/api/messages/{answer}/stream");
        Ok(Reply::new(202, json!({"message_id": answer, "stream": stream})))
    };
    let reply = app.change(who, key, work).await?;
    app.inner.wake.notify_one();
    Ok(reply)
}

pub(in crate::web) async fn message(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let message = app.read(move |db| shown::message(db, &who.account, &id)).await?;
    Ok(Json(json!(message)))
}

pub(in crate::web) async fn stop(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    Ok(stop_answer(&app, &who.account, id, once.key).await?.into_response())
}

pub(in crate::web) async fn stop_answer(
    app: &App,
    who: &Account,
    id: String,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let message = chat::message(tx, &who.id, &id)?;
        jobs::ask_to_stop(tx, chat::QUEUE, &message.id).map_err(Error::from)?;
        Ok(Reply::new(202, json!({})))
    };
    Ok(app.change(who, key, work).await?)
}
