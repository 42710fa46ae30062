//! The one box for programs: a sentence, what was understood, and undo.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::Text;
use crate::{
    accounts::Account,
    brain::say::{self, Said},
    command::undo,
    error::Error,
    ids,
    once::{Key, Reply},
    web::{
        App,
        problem::Problem,
        request::{Empty, Once, Params},
        session::SignedIn,
    },
};

pub(in crate::web) async fn say(
    State(app): State<App>,
    who: SignedIn,
    once: Once<Text>,
) -> Result<Response, Problem> {
    Ok(reply(&app, &who.account, once.body.text, once.key).await?.into_response())
}

#[derive(Deserialize)]
pub(in crate::web) struct Sentence {
    text: String,
}

pub(in crate::web) async fn read(
    State(app): State<App>,
    who: SignedIn,
    Params(sentence): Params<Sentence>,
) -> Result<Json<Value>, Problem> {
    let understood = app.read(move |db| say::reading(db, &who.account, &sentence.text)).await?;
    Ok(Json(json!({"understood": understood})))
}

/// For the page's box, which reads the answer itself.
pub(in crate::web) async fn said(
    app: &App,
    who: &Account,
    text: String,
    key: Option<Key>,
) -> Result<Said, Problem> {
    let reply = reply(app, who, text, key).await?;
    serde_json::from_value(reply.body).map_err(|error| Problem::from(Error::Invalid(error.to_string())))
}

async fn reply(app: &App, who: &Account, text: String, key: Option<Key>) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let said = say::say(tx, who, &text, ids::new_id())?;
        let shape = serde_json::to_value(said).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Reply::new(200, shape))
    };
    Ok(app.change(who, key, work).await?)
}

pub(in crate::web) async fn undo(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    Ok(take_back(&app, &who.account, id, once.key).await?.into_response())
}

pub(in crate::web) async fn take_back(
    app: &App,
    who: &Account,
    id: String,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        Ok(Reply::new(200, json!({"undone": undo::undo(tx, who, &id)?})))
    };
    Ok(app.change(who, key, work).await?)
}

pub(in crate::web) async fn history(State(app): State<App>, who: SignedIn) -> Result<Json<Value>, Problem> {
    let commands = app.read(move |db| undo::history(db, &who.account)).await?;
    Ok(Json(json!({"commands": commands})))
}
