//! Answers as HTTP: JSON, NDJSON, or an `Explain` with the status of its kind.

use axum::{
    Json,
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::operations::{Lines, Refusal, Why};

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.why {
            Why::Malformed => StatusCode::BAD_REQUEST,
            Why::Forbidden => StatusCode::FORBIDDEN,
            Why::Unknown => StatusCode::NOT_FOUND,
            Why::Conflict => StatusCode::CONFLICT,
            Why::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Why::Locked => StatusCode::LOCKED,
            Why::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Why::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(self.explain)).into_response()
    }
}

/// One JSON value a line, each sent when it is there. A value that does not serialise ends the stream.
pub(crate) fn ndjson<T: Serialize + Send + 'static>(lines: Lines<T>) -> Response {
    let bytes = lines.map(|value| {
        let mut line = serde_json::to_vec(&value)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(bytes)).into_response()
}
