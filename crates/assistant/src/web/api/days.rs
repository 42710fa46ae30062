//! Reminders and the morning summary for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    accounts::Account,
    once::Reply,
    reminders, summary,
    web::{
        App, json as shapes,
        problem::Problem,
        request::{Empty, Once},
        session::SignedIn,
    },
};

pub(in crate::web) async fn unseen(State(app): State<App>, who: SignedIn) -> Result<Json<Value>, Problem> {
    let reminders = app.read(move |db| reminders::unseen(db, &who.account.id)).await?;
    Ok(Json(json!({"reminders": reminders.iter().map(shapes::reminder).collect::<Vec<_>>()})))
}

/// A page is about to show it: the first one may.
pub(in crate::web) async fn shown(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        Ok(Reply::new(200, json!({"first": reminders::claim(tx, &who.id, &id)?})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}

pub(in crate::web) async fn seen(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        reminders::see(tx, &who.id, &id)?;
        Ok(Reply::new(200, json!({})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}

pub(in crate::web) async fn summary(State(app): State<App>, who: SignedIn) -> Result<Json<Value>, Problem> {
    let today = who.account.now().date();
    let query = move |db: &rusqlite::Connection| {
        Ok((summary::hour(db, &who.account.id)?, summary::get(db, &who.account.id, today)?))
    };
    let (hour, made) = app.read(query).await?;
    let hour = hour.strftime("%H:%M").to_string();
    Ok(Json(json!({"at": hour, "today": made.as_ref().map(shapes::summary)})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Morning {
    /// `07:30`.
    at: String,
}

pub(in crate::web) async fn set_summary(
    State(app): State<App>,
    who: SignedIn,
    once: Once<Morning>,
) -> Result<Response, Problem> {
    let hour = summary::parse_hour(&once.body.at)?;
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        summary::set_hour(tx, who, hour)?;
        Ok(Reply::new(200, json!({"at": hour.strftime("%H:%M").to_string()})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}
