//! Conversations for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use kit::jobs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, next_of};
use crate::{
    accounts::Account,
    chat::{self, shown},
    error::Error,
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

pub(in crate::web) async fn get(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let query = move |db: &rusqlite::Connection| {
        Ok((chat::get(db, &who.account.id, &id)?, shown::messages(db, &who.account, &id)?))
    };
    let (conversation, messages) = app.read(query).await?;
    let mut shape = json!(conversation);
    shape["messages"] = json!(messages);
    Ok(Json(shape))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Text {
    pub(in crate::web) text: String,
}

pub(in crate::web) async fn say(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Text>,
) -> Result<Response, Problem> {
    Ok(say_in(&app, &who.account, id, once.body.text, once.key).await?.into_response())
}

/// Stores question, answer to come and job, and wakes this process's runner.
pub(in crate::web) async fn say_in(
    app: &App,
    who: &Account,
    conversation: String,
    text: String,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let answer = chat::say(tx, &who.id, &conversation, &text)?;
        Ok(Reply::new(202, json!({"message_id": answer, "stream": format!("/api/messages/{answer}/stream")})))
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
