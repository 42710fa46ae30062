//! The journal for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Page, etag, next_of,
    tasks::{answer, run},
};
use crate::{
    attachments,
    command::Command,
    error::Error,
    journal::{self, Entry, Filter},
    web::{
        App, json as shapes,
        problem::Problem,
        request::{Empty, Once, Params},
        session::SignedIn,
    },
};

#[derive(Deserialize)]
pub(in crate::web) struct Which {
    q: Option<String>,
    day: Option<Date>,
    tag: Option<String>,
    limit: Option<u32>,
    after: Option<u32>,
}

pub(in crate::web) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Params(which): Params<Which>,
) -> Result<Json<Value>, Problem> {
    let window = Page { limit: which.limit, after: which.after }.window();
    let tag = which.tag.map(|tag| tag.trim_start_matches('#').to_lowercase());
    let query = which.q.filter(|query| !query.is_empty());
    let filter = Filter { query, tag, from: which.day, to: which.day };
    let (mut rows, files) = app
        .read(move |db| {
            let rows = journal::list(db, &who.account.id, &filter, window.0 + 1, window.1)?;
            let ids: Vec<&str> = rows.iter().map(|entry| entry.id.as_str()).collect();
            let files = attachments::of_entries(db, &who.account.id, &ids)?;
            Ok((rows, files))
        })
        .await?;
    let next = next_of(&mut rows, window);
    let shape = |entry: &Entry| {
        let mut shape = shapes::entry(entry);
        let own = files.iter().filter(|file| file.entry_id == entry.id);
        shape["attachments"] = own.map(super::attachments::shape).collect();
        shape
    };
    Ok(Json(json!({"entries": rows.iter().map(shape).collect::<Vec<_>>(), "next": next})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewEntry {
    text: String,
    day: Option<Date>,
}

pub(in crate::web) async fn add(
    State(app): State<App>,
    who: SignedIn,
    once: Once<NewEntry>,
) -> Result<Response, Problem> {
    let NewEntry { text, day } = once.body;
    run(&app, &who, once.key, Command::AddEntry { text, day }, 201).await
}

pub(in crate::web) async fn get(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (entry, files) = app
        .read(move |db| {
            let entry = journal::get(db, &who.account.id, &id)?;
            let files = attachments::of_entries(db, &who.account.id, &[&entry.id])?;
            Ok((entry, files))
        })
        .await?;
    let mut shape = shapes::entry(&entry);
    shape["attachments"] = files.iter().map(super::attachments::shape).collect();
    Ok(etag::with_tag(Json(shape).into_response(), Some(entry.rev)))
}

/// What is not named stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Patch {
    text: Option<String>,
    day: Option<Date>,
}

/// Changes an entry. With `If-Match` only if it still is what was read.
pub(in crate::web) async fn edit(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    once: Once<Patch>,
) -> Result<Response, Problem> {
    let (account, wanted) = (who.account.id.clone(), id.clone());
    let found = app.read(move |db| journal::get(db, &account, &wanted)).await;
    // Asked after the look: what this very request changed is no change of somebody else's.
    if let Some(reply) = app.answered(&who.account, once.key.as_ref()).await? {
        return Ok(answer(reply));
    }
    let entry = found?;
    if !etag::holds(&headers, entry.rev) {
        return Err(Error::Stale("entry").into());
    }
    let Patch { text, day } = once.body;
    let (text, day) = (text.unwrap_or(entry.text), day.unwrap_or(entry.day));
    // What was read above is what the patch was applied to, with or without `If-Match`.
    run(&app, &who, once.key, Command::EditEntry { id, rev: Some(entry.rev), day, text }, 200).await
}

pub(in crate::web) async fn remove(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    run(&app, &who, once.key, Command::DeleteEntry { id }, 200).await
}
