//! The words of tus 1.0 (<https://tus.io/protocols/resumable-upload>): what its requests carry and its answers say.

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{attachments::FILE_BYTES_MAX, web::problem::Problem};

/// The one version that is spoken.
const VERSION: &str = "1.0.0";
pub(super) const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const LENGTH: HeaderName = HeaderName::from_static("upload-length");
/// What a piece of a file comes as.
pub(super) const CONTENT: &str = "application/offset+octet-stream";
/// Where it is spoken.
const ROUTES: [&str; 2] = ["/api/journal/{id}/attachments", "/api/attachments/{id}"];

/// Every answer of its routes names the version, refusals too.
pub(in crate::web) fn speak(headers: &mut HeaderMap, route: &str) {
    if ROUTES.contains(&route) {
        headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
        headers.insert("tus-version", HeaderValue::from_static(VERSION));
    }
}

/// What a client may ask for before it begins.
pub(in crate::web) async fn abilities() -> Response {
    let told =
        [("tus-extension", "creation,termination".to_owned()), ("tus-max-size", FILE_BYTES_MAX.to_string())];
    (StatusCode::NO_CONTENT, told).into_response()
}

/// # Errors
/// The client speaks another version, or none.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get("tus-resumable").is_some_and(|version| version.as_bytes() == VERSION.as_bytes()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        format!("Files are sent by tus {VERSION}: send Tus-Resumable: {VERSION}."),
    ))
}

/// A number of bytes, if the header is there.
///
/// # Errors
/// It is no number.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let read = value.to_str().ok().and_then(|value| value.parse().ok());
    read.map(Some)
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, format!("{name} is a number of bytes.")))
}

/// `filename` of `Upload-Metadata`: pairs of a word and Base64, with commas between.
///
/// # Errors
/// It is not there, or no text.
pub(super) fn file_name(headers: &HeaderMap) -> Result<String, Problem> {
    let wrong = || {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Say what the file is called: Upload-Metadata: filename and its name in Base64.",
        )
    };
    let metadata = headers.get("upload-metadata").and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
    let mut pairs = metadata.split(',').map(|pair| pair.trim().split_once(' ').unwrap_or((pair.trim(), "")));
    let (_, name) = pairs.find(|(word, _)| *word == "filename").ok_or_else(wrong)?;
    let name = STANDARD.decode(name.trim()).ok().and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(wrong)
}
