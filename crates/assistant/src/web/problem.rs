//! Errors as people and programs read them: RFC 9457 problems under `/api/`, a page elsewhere, each with the request's id.
//!
//! A handler returns a [`Problem`]; the guard, which knows the request, words it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use kit::sqlite::DbError;
use rusqlite::ErrorCode;
use serde_json::json;

use crate::{attachments::store::StoreError, error::Error};

/// What went wrong, in a sentence for whoever asked.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn json(&self, request_id: &str) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        json!({"type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail, "request_id": request_id}).to_string()
    }
}

impl IntoResponse for Problem {
    /// Without a body yet: the guard writes it in the form that was asked for.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Invalid(_) | Error::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Stale(_) => StatusCode::PRECONDITION_FAILED,
            Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Files(error) => return files(error),
            Error::Db(DbError::Overloaded | DbError::SchemaRefused | DbError::Closed) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Db(DbError::Sqlite(error)) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StatusCode::SERVICE_UNAVAILABLE,
                Some(ErrorCode::DiskFull) => StatusCode::INSUFFICIENT_STORAGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        if status.is_server_error() {
            tracing::error!(%error, "a request failed");
            // The cause may hold what people wrote or where files lie; it stays in the log.
            let detail = match status {
                _ if matches!(error, Error::Db(DbError::SchemaRefused)) => {
                    "The database is at a version that this release does not write. Nothing was changed; \
                     whoever runs this machine finds the remedy in the log."
                }
                StatusCode::INSUFFICIENT_STORAGE => "The disk of this machine is full. Nothing was changed.",
                StatusCode::SERVICE_UNAVAILABLE => "Too much at once. Nothing was changed; try again.",
                _ => "Something went wrong on our side. Nothing was changed.",
            };
            return Self::new(status, detail);
        }
        Self::new(status, error.to_string())
    }
}

/// Why bytes of a file were not taken. Nothing of them is kept then.
fn files(error: &StoreError) -> Problem {
    let status = match error {
        StoreError::Offset(at) => {
            return Problem::new(
                StatusCode::CONFLICT,
                format!("The next piece of this file begins at {at}."),
            );
        }
        error if error.is_disk_full() => {
            let full = "The disk of this machine is full. Nothing of the file was kept.";
            return Problem::new(StatusCode::INSUFFICIENT_STORAGE, full);
        }
        StoreError::Io(cause) => {
            tracing::error!(error = %cause, "a file could not be kept or read");
            let wrong = "The file could not be kept or read; whoever runs this machine finds why in the log.";
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, wrong);
        }
        StoreError::Busy => return Problem::new(StatusCode::LOCKED, format!("{error}; try again.")),
        StoreError::TooMuch => StatusCode::PAYLOAD_TOO_LARGE,
        StoreError::Kind(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    Problem::new(status, format!("{error}. Nothing of the file was kept."))
}

pub(super) async fn no_such_page() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

pub(super) async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.")
}
