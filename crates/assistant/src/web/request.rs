//! What requests carry: JSON with its idempotency key, the fields of a form, what stands behind the `?`.

use std::collections::BTreeMap;

use axum::{
    Form,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, MatchedPath, Query, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};

use super::{App, problem::Problem, reports};
use crate::{
    attachments::FILE_BYTES_MAX,
    import::ARCHIVE_BYTES_MAX,
    journal::TEXT_CHARS_MAX,
    once::{Key, Reply},
};

/// Bound: a body, where [`body_bytes_max`] says nothing else.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1_024;
/// Bound: a form, whose letters take up to twelve bytes each: the longest entry as it is and as it was.
const FORM_BYTES_MAX: usize = 12 * 2 * TEXT_CHARS_MAX + BODY_BYTES_MAX;

/// Bound: a body for this route.
pub(super) fn body_bytes_max(route: &str) -> usize {
    match route {
        reports::PATH => reports::BYTES_MAX,
        // A whole file in one piece, and what a form has around it.
        "/api/attachments/{id}" | "/journal/{id}/attachments" => FILE_BYTES_MAX as usize + BODY_BYTES_MAX,
        // The receiver tells its own bound, before this one.
        "/api/import" | "/settings/import" => ARCHIVE_BYTES_MAX as usize + FILE_BYTES_MAX as usize,
        route if route.starts_with("/api/") || STRANGERS.contains(&route) => BODY_BYTES_MAX,
        _ => FORM_BYTES_MAX,
    }
}

/// Where forms of people come from who are not signed in.
const STRANGERS: [&str; 2] = ["/login", "/welcome/{token}"];

/// A JSON body and the key it came under. An empty body is `{}`.
pub(super) struct Once<T> {
    pub(super) body: T,
    pub(super) key: Option<Key>,
}

/// For routes that need no body.
#[derive(Deserialize)]
pub(super) struct Empty {}

impl<T: DeserializeOwned> FromRequest<App> for Once<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let key = idempotency_key(request.headers())?;
        let is_json = request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| is_json(kind.as_bytes()));
        let about = format!("{} {}", request.method(), request.uri().path());
        let bytes = bytes(request, app).await?;
        if !is_json && !bytes.is_empty() {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send JSON, with Content-Type: application/json.",
            ));
        }
        let text = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
        let body = serde_json::from_slice(text).map_err(|error| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The body does not fit: {error}."))
        })?;
        Ok(Self { body, key: key.map(|key| Key::new(&key, &[about.as_bytes(), &bytes])) })
    }
}

/// What stands behind the `?`; what does not fit is told as everything else is.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, app).await;
        read.map(|Query(params)| Self(params)).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("The address does not fit: {}.", error.body_text()))
        })
    }
}

/// The fields of a form.
pub(super) struct Fields(pub(super) BTreeMap<String, String>);

impl FromRequest<App> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let route = request.extensions().get::<MatchedPath>().map(|route| body_bytes_max(route.as_str()));
        let most = route.unwrap_or(BODY_BYTES_MAX);
        match Form::<BTreeMap<String, String>>::from_request(request, app).await {
            // Browsers send lines of a text apart by two characters; people typed one.
            Ok(Form(fields)) => {
                let lines = |(name, value): (String, String)| (name, value.replace("\r\n", "\n"));
                Ok(Self(fields.into_iter().map(lines).collect()))
            }
            Err(rejection) => {
                Err(unreadable(rejection.into_response().status(), "The form could not be read.", most))
            }
        }
    }
}

/// Why a body was not taken: it is too large, or what `otherwise` says.
fn unreadable(status: StatusCode, otherwise: &str, most: usize) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let most = most / 1_024;
        return Problem::new(
            status,
            format!("That is too much at once: at most {most} KiB are taken. Nothing was changed."),
        );
    }
    Problem::new(status, otherwise)
}

fn is_json(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

async fn bytes(request: Request, app: &App) -> Result<Bytes, Problem> {
    Bytes::from_request(request, app).await.map_err(|rejection| {
        unreadable(rejection.into_response().status(), "The body could not be read.", BODY_BYTES_MAX)
    })
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "An Idempotency-Key has 1 to 128 visible ASCII characters.")
    })
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, axum::Json(&self.body)).into_response();
        if let Some(location) = self
            .body
            .get("stream")
            .and_then(|stream| stream.as_str())
            .and_then(|stream| HeaderValue::from_str(stream).ok())
        {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if self.replayed {
            response
                .headers_mut()
                .insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
        }
        response
    }
}
