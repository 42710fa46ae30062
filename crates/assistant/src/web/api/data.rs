//! An account's data out and in, for programs.

use std::{fs::File, io::Read};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream};
use http::{StatusCode, header};
use jiff::civil::Date;
use kit::sqlite::Durability;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::SemaphorePermit;

use crate::{
    accounts::Account,
    audit::{self, Action},
    export,
    import::{self, ARCHIVE_BYTES_MAX, Form},
    once::{Key, Reply},
    settings::models,
    web::{
        App,
        problem::Problem,
        request::{Params, idempotency_key},
        session::SignedIn,
        spool::{Spooled, spool},
    },
};

/// Bytes of one piece of an answer.
const PIECE_BYTES: usize = 64 * 1_024;

/// Bound: archives that are written at the same time; each reads a whole account.
pub(in crate::web) const EXPORTS_AT_ONCE: usize = 2;

/// Bound: files of up to 256 MiB that are received and read at the same time.
pub(in crate::web) const IMPORTS_AT_ONCE: usize = 2;

/// Everything of the account, as an archive.
pub(in crate::web) async fn export(State(app): State<App>, who: SignedIn) -> Result<Response, Problem> {
    let _permit = app.inner.exports.acquire().await;
    let (store, folder, account) =
        (app.inner.uploads.store.clone(), app.inner.data.clone(), who.account.clone());
    let (file, length) = app.read(move |db| export::write(db, &store, &account, &folder)).await?;
    let id = who.account.id.clone();
    let record = move |tx: &Transaction<'_>| audit::record(tx, &id, Action::Exported);
    app.inner.db.write(Durability::Full, record).await?;
    let name = format!("attachment; filename=\"assistant-{}.tar\"", who.account.now().date());
    let about = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((about, Body::from_stream(pieces(file))).into_response())
}

/// A file piece by piece, each read when the one before it was sent.
fn pieces(file: File) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(file, |mut file| async move {
        let read = move || {
            let mut piece = vec![0; PIECE_BYTES];
            let length = file.read(&mut piece)?;
            piece.truncate(length);
            Ok::<_, std::io::Error>((Bytes::from(piece), file))
        };
        let (piece, file) = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)??;
        Ok((!piece.is_empty()).then_some((piece, file)))
    })
}

#[derive(Deserialize)]
pub(in crate::web) struct Where {
    day: Option<Date>,
}

pub(in crate::web) async fn import(
    State(app): State<App>,
    who: SignedIn,
    Params(Where { day }): Params<Where>,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(request.headers())?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let form = match kind.and_then(|kind| kind.split(';').next()).map(str::trim) {
        Some("application/x-tar") => Form::Archive,
        Some("text/calendar") => Form::Calendar,
        Some("text/markdown") => Form::Markdown(day),
        _ => {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send an export (application/x-tar), tasks (text/calendar) or a journal (text/markdown).",
            ));
        }
    };
    let _turn = turn(&app)?;
    let body = request.into_body().into_data_stream();
    let spooled = spool(app.inner.data.clone(), ARCHIVE_BYTES_MAX, body).await?;
    let key = key
        .map(|key| Key::new(&key, &[b"POST /api/import", format!("{form:?}").as_bytes(), &spooled.digest]));
    Ok(take(&app, &who.account, key, spooled, form).await?.into_response())
}

/// The right to send a file.
pub(in crate::web) fn turn(app: &App) -> Result<SemaphorePermit<'_>, Problem> {
    app.inner.imports.try_acquire().map_err(|_| {
        let busy = "Other imports are being read. Nothing was changed; try again in a minute.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, busy)
    })
}

/// Stores what was received.
pub(in crate::web) async fn take(
    app: &App,
    who: &Account,
    key: Option<Key>,
    Spooled { file, .. }: Spooled,
    form: Form,
) -> Result<Reply, Problem> {
    let (store, account) = (app.inner.uploads.store.clone(), who.clone());
    let prepare = move || import::prepare(file, form, &store, &account);
    let read = tokio::task::spawn_blocking(prepare).await;
    let mut ready = read.map_err(|error| {
        tracing::error!(%error, "an import could not be read");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The file could not be read. Nothing was changed.")
    })??;
    let work = move |tx: &Transaction<'_>, who: &Account| {
        let imported = import::store(tx, &mut ready, who)?;
        Ok(Reply::new(200, json!(imported)))
    };
    Ok(app.change(who, key, work).await?)
}

/// Who gets what people write, and how long it is kept.
pub(in crate::web) async fn privacy(
    State(app): State<App>,
    who: SignedIn,
) -> Result<Json<serde_json::Value>, Problem> {
    let account = who.account.id.clone();
    let erase_at = app.read(move |db| crate::erase::asked(db, &account)).await?;
    Ok(Json(json!({
        "vendors": models::vendors(&app.inner.models),
        "kept_days": app.inner.retention,
        "erase_at": erase_at.map(kit::clock::rfc3339),
    })))
}
