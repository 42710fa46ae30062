//! For operators and Mainstay: which release, how it does, its figures, its description.

use axum::{
    Json,
    extract::{MatchedPath, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, Uri, header};
use kit::{
    health::dialect::{Asked, Question},
    metrics::{CONTENT_TYPE, came_directly},
};
use serde_json::{Value, json};

use crate::{
    schema::MIGRATIONS,
    web::{
        App, openapi,
        problem::{self, Problem},
        session::{self, SignedIn},
    },
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(in crate::web) async fn version(State(app): State<App>) -> Json<Value> {
    Json(
        json!({"release": app.inner.release, "instance": app.inner.instance, "version": VERSION, "schema": MIGRATIONS.schema()}),
    )
}

/// Strangers get the status alone; checks and their errors are for whoever is signed in or has the token (W-H10).
pub(in crate::web) async fn health(
    State(app): State<App>,
    path: MatchedPath,
    uri: Uri,
    headers: HeaderMap,
    who: Result<SignedIn, Problem>,
) -> Response {
    let reporter = &app.inner.reporter;
    let question = reporter.dialect().paths().iter().find(|(known, _)| *known == path.as_str());
    let question = question.map_or(Question::Overall, |(_, question)| *question);
    let asked = Asked::new(uri.query().unwrap_or_default(), who.is_ok() || has_token(&app, &headers));
    reporter.answer(question, asked).into_response()
}

/// Not for the street: what came through a proxy needs the token.
pub(in crate::web) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    if !came_directly(headers.keys().map(HeaderName::as_str)) && !has_token(&app, &headers) {
        return Err(problem::no_such_page().await);
    }
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], app.inner.metrics.render()).into_response())
}

fn has_token(app: &App, headers: &HeaderMap) -> bool {
    match (&app.inner.metrics_token, session::bearer(headers)) {
        (Some(token), Some(given)) => same(token.reveal(), given),
        _ => false,
    }
}

/// In a time that does not tell how much of it was right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

pub(in crate::web) async fn description() -> Json<Value> {
    Json(openapi::description())
}
