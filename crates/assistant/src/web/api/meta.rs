//! For operators and Mainstay: which release, how it does, its figures, its description.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use kit::metrics::CONTENT_TYPE;
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

/// Strangers get the status alone; checks and their errors are for whoever is signed in (W-H10).
pub(in crate::web) async fn health(State(app): State<App>, who: Result<SignedIn, Problem>) -> Response {
    let snapshot = app.inner.health.snapshot();
    let status = if snapshot.status == "error" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut body = json!({"status": snapshot.status, "timestamp": snapshot.timestamp});
    if who.is_ok() {
        body["uptime_seconds"] = json!(snapshot.uptime_seconds);
        body["version"] = json!(VERSION);
        body["checks"] = json!(snapshot.checks);
    }
    (status, Json(body)).into_response()
}

/// Not for the street: what came through a proxy needs the token.
pub(in crate::web) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let has_token = match (&app.inner.metrics_token, session::bearer(&headers)) {
        (Some(token), Some(given)) => same(token.reveal(), given),
        _ => false,
    };
    if headers.contains_key("x-forwarded-for") && !has_token {
        return Err(problem::no_such_page().await);
    }
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], app.inner.metrics.render()).into_response())
}

/// In a time that does not tell how much of it was right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

pub(in crate::web) async fn description() -> Json<Value> {
    Json(openapi::description())
}
