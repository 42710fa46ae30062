//! The journal for programs.

use axum::{Json, extract::State, response::Response};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, next_of, tasks::run};
use crate::{
    command::Command,
    journal::{self, Filter},
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
    let mut rows =
        app.read(move |db| journal::list(db, &who.account.id, &filter, window.0 + 1, window.1)).await?;
    let next = next_of(&mut rows, window);
    Ok(Json(json!({"entries": rows.iter().map(shapes::entry).collect::<Vec<_>>(), "next": next})))
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
