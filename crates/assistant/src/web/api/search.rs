//! The search over everything for programs.

use axum::{Json, extract::State};
use kit::clock;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Page, next_of};
use crate::{
    search::{self, Hit, Kind},
    web::{App, problem::Problem, request::Params, session::SignedIn},
};

#[derive(Deserialize)]
pub(in crate::web) struct Which {
    q: String,
    kind: Option<Kind>,
    limit: Option<u32>,
    after: Option<u32>,
}

pub(in crate::web) async fn find(
    State(app): State<App>,
    who: SignedIn,
    Params(which): Params<Which>,
) -> Result<Json<Value>, Problem> {
    let window = Page { limit: which.limit, after: which.after }.window();
    let query = move |db: &rusqlite::Connection| {
        search::find(db, &who.account.id, &which.q, which.kind, (window.0 + 1, window.1))
    };
    let mut hits = app.read(query).await?;
    let next = next_of(&mut hits, window);
    Ok(Json(json!({"hits": hits.iter().map(shape).collect::<Vec<_>>(), "next": next})))
}

fn shape(hit: &Hit) -> Value {
    json!({
        "kind": hit.kind, "id": hit.id, "at": clock::rfc3339(hit.at), "day": hit.day, "address": hit.address, "snippet": hit.snippet,
    })
}
