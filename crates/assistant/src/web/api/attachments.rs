//! Attachments for programs: sent by the core protocol of tus 1.0 with its extensions "creation" and "termination"
//! (<https://tus.io/protocols/resumable-upload>), fetched as plain files.

use axum::{
    Json,
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rusqlite::Transaction;
use serde_json::{Value, json};

use super::tus;
use crate::{
    accounts::Account,
    attachments::{self, Attachment, store::StoreError, upload},
    error::Error,
    journal,
    once::Reply,
    web::{
        App,
        problem::Problem,
        request::{Empty, Once},
        session::SignedIn,
    },
};

pub(in crate::web) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Path(entry): Path<String>,
) -> Result<Json<Value>, Problem> {
    let rows = app
        .read(move |db| {
            journal::get(db, &who.account.id, &entry)?;
            attachments::of_entries(db, &who.account.id, &[&entry])
        })
        .await?;
    Ok(Json(json!({"attachments": rows.iter().map(shape).collect::<Vec<_>>()})))
}

pub(in crate::web) fn shape(one: &Attachment) -> Value {
    json!({"id": one.id, "entry_id": one.entry_id, "name": one.name, "size": one.size, "media": one.media,
        "sha256": one.digest, "created_at": kit::clock::rfc3339(one.created_at), "content": content_path(&one.id)})
}

pub(in crate::web) fn content_path(id: &str) -> String {
    format!("/api/attachments/{id}")
}

/// Creation: announces a file for an entry.
pub(in crate::web) async fn create(
    State(app): State<App>,
    who: SignedIn,
    Path(entry): Path<String>,
    headers: HeaderMap,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let (account, wanted) = (who.account.id.clone(), entry.clone());
    app.read(move |db| journal::get(db, &account, &wanted)).await?;
    tus::check(&headers)?;
    let size = tus::number(&headers, &tus::LENGTH)?.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "Say how long the file is: Upload-Length, in bytes.")
    })?;
    let name = tus::file_name(&headers)?;
    let work = move |tx: &Transaction<'_>, who: &Account| {
        let new = attachments::announce(tx, &who.id, &entry, &name, size)?;
        Ok(Reply::new(201, json!({"id": new.id, "upload": content_path(&new.id)})))
    };
    let reply = app.change(&who.account, once.key, work).await?;
    let location = reply.body["upload"].as_str().and_then(|path| HeaderValue::from_str(path).ok());
    let mut response = reply.into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// How far an upload has come.
pub(in crate::web) async fn offset(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let upload = find(&app, &who, &id).await?;
    tus::check(&headers)?;
    let received = app.inner.uploads.received(&who.account.id, &upload).await?;
    let told = [(tus::OFFSET, received.to_string()), (tus::LENGTH, upload.size.to_string())];
    Ok((StatusCode::OK, told).into_response())
}

/// The next piece of an upload.
pub(in crate::web) async fn append(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let upload = find(&app, &who, &id).await?;
    let headers = request.headers();
    tus::check(headers)?;
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes() != tus::CONTENT.as_bytes()) {
        let wrong = format!("A piece of a file comes as Content-Type: {}.", tus::CONTENT);
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, wrong));
    }
    let at = tus::number(headers, &tus::OFFSET)?.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "Say where the piece begins: Upload-Offset, in bytes.")
    })?;
    let body = request.into_body().into_data_stream();
    let received = app.inner.uploads.append(&who.account.id, &upload, at, body).await?;
    Ok((StatusCode::NO_CONTENT, [(tus::OFFSET, received.to_string())]).into_response())
}

/// Termination: an upload or a whole attachment.
pub(in crate::web) async fn remove(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let store = app.inner.uploads.store.clone();
    let work = move |tx: &Transaction<'_>, who: &Account| {
        upload::remove(tx, &store, &who.id, &id)?;
        Ok(Reply::new(200, json!({"removed": 1})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}

/// The file itself: to be kept, never to be run or shown as a page of ours.
pub(in crate::web) async fn content(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = find(&app, &who, &id).await?;
    let (Some(digest), Some(media)) = (&file.digest, &file.media) else {
        return Err(Error::NotFound("attachment").into());
    };
    let tag = format!("\"{digest}\"");
    let keep = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "private, no-cache".to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, keep).into_response());
    }
    let path = app.inner.uploads.store.path(&who.account.id, digest);
    // Bound: 10 MiB, as it came.
    let bytes = tokio::task::spawn_blocking(move || std::fs::read(path)).await.map_err(std::io::Error::other);
    let bytes = bytes.and_then(|read| read).map_err(|error| Error::Files(StoreError::Io(error)))?;
    let kind = if media == "text/plain" { "text/plain; charset=utf-8" } else { media };
    let offered = format!("attachment; filename*=UTF-8''{}", percent(&file.name));
    let about = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, offered)];
    Ok((about, keep, Body::from(bytes)).into_response())
}

async fn find(app: &App, who: &SignedIn, id: &str) -> Result<Attachment, Problem> {
    let (account, id) = (who.account.id.clone(), id.to_owned());
    Ok(app.read(move |db| attachments::get(db, &account, &id)).await?)
}

/// RFC 8187: every byte that is no letter or digit as `%XX`.
fn percent(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
