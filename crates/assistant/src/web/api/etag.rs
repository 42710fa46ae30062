//! Revisions as entity tags: `ETag` says which one was read, `If-Match` that it still must be.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

/// No `If-Match`, or one that names this revision (RFC 9110, section 13.1.1: `*`, or one of several tags).
pub(super) fn holds(headers: &HeaderMap, rev: i64) -> bool {
    let current = tag_of(rev);
    let values = headers.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    !headers.contains_key(header::IF_MATCH)
        || values
            .flat_map(|value| value.split(','))
            .any(|tag| matches!(tag.trim(), "*") || tag.trim() == current)
}

/// The entity tag of a revision.
fn tag_of(rev: i64) -> String {
    format!("\"{rev}\"")
}

pub(super) fn with_tag(mut response: Response, rev: Option<i64>) -> Response {
    if let Some(tag) = rev.and_then(|rev| HeaderValue::from_str(&tag_of(rev)).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
