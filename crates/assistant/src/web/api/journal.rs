//! The journal for programs.

use axum::{Json, extract::State, response::Response};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, next_of, tasks::run};
use crate::{
    attachments,
    command::Command,
    journal::{self, Entry, Filter},
    web::{
        App, json as shapes,
        problem::Problem,
        request::{Once, Params},
        session::SignedIn,
    },
};

#[derive(Deserialize)]
pub(in crate::web) struct Which {
    q: Option<String>,
    day: Option<Date>,
    limit: Option<u32>,
    after: Option<u32>,
}

pub(in crate::web) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Params(which): Params<Which>,
) -> Result<Json<Value>, Problem> {
    let window = Page { limit: which.limit, after: which.after }.window();
    let filter = Filter { query: which.q.filter(|query| !query.is_empty()), from: which.day, to: which.day };
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
