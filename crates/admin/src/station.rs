//! The station's endpoints. Its socket has these and no other, whoever connects.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};

use crate::{
    asked::Asked,
    operations::{Reply, StationOperations},
    routes::{JSON_BYTES_MAX, no_such_endpoint, required},
};

pub(crate) fn router<O: StationOperations>(operations: Arc<O>) -> Router {
    Router::new()
        .route(api::station::NEWS, get(news::<O>))
        .route(api::station::REPORT, post(report::<O>))
        .route(api::station::TESTED, post(tested::<O>))
        .route(api::station::CERTIFICATES, get(certificates_wanted::<O>).post(certificates_report::<O>))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .fallback(no_such_endpoint)
        .with_state(operations)
}

async fn news<O: StationOperations>(
    State(ops): State<Arc<O>>,
    Asked(cursor): Asked<api::station::Cursor>,
) -> Response {
    ops.news(cursor).await.map(Json).into_response()
}

async fn report<O: StationOperations>(State(ops): State<Arc<O>>, bytes: Bytes) -> Reply<StatusCode> {
    ops.report(required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tested<O: StationOperations>(State(ops): State<Arc<O>>, bytes: Bytes) -> Reply<StatusCode> {
    ops.tested(required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn certificates_wanted<O: StationOperations>(
    State(ops): State<Arc<O>>,
    Asked(seen): Asked<api::station::Seen>,
) -> Response {
    ops.certificates_wanted(seen).await.map(Json).into_response()
}

async fn certificates_report<O: StationOperations>(
    State(ops): State<Arc<O>>,
    bytes: Bytes,
) -> Reply<StatusCode> {
    ops.certificates_report(required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
