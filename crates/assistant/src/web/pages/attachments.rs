//! Files below an entry of the journal, and the form that adds one. Works without script: the browser sends it whole.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Path, Request, State, multipart::Field},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use rusqlite::Transaction;
use sha2::{Digest, Sha256};

use super::{
    form::{self, Before, Sent},
    journal as pages,
    layout::Frame,
    parts,
    wrong::Wrong,
};
use crate::{
    accounts::Account,
    attachments::{self, Attachment, FILE_BYTES_MAX},
    error::Error,
    journal::{self, Entry},
    once::Reply,
    web::{App, api::attachments::content_path, guard::Nonce, problem::Problem, session::Visitor},
};

/// Where a file for this entry is sent to.
fn action(entry: &str) -> String {
    format!("/journal/{entry}/attachments")
}

/// What stands below an entry. `back`: the page that it stands on.
pub(super) fn below(frame: &Frame<'_>, entry: &Entry, files: &[Attachment], back: &str) -> Markup {
    let own: Vec<&Attachment> = files.iter().filter(|file| file.entry_id == entry.id).collect();
    let action = action(&entry.id);
    let mark = frame.mark(&action, "file");
    html! {
        @if !own.is_empty() {
            ul.files {
                @for file in own {
                    li {
                        a href=(content_path(&file.id)) download=(file.name) {
                            @if file.is_image() { img src=(content_path(&file.id)) alt=(file.name) loading="lazy"; } @else { (file.name) }
                        }
                        form method="post" action={ "/attachments/" (file.id) "/delete" } {
                            (parts::hidden(frame, back))
                            button.icon type="submit" aria-label={ "Remove: " (file.name) } { (parts::icon("bin")) }
                        }
                    }
                }
            }
        }
        details.attach open[mark.is_some()] {
            summary { "Add a file" }
            form method="post" action=(action) enctype="multipart/form-data" {
                (parts::hidden(frame, back))
                input type="file" name="file" aria-label="File" accept="image/*,application/pdf,text/plain" required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark];
                button.quiet type="submit" { "Add" }
                (frame.error(&action, "file"))
                p.rule { "An image, a PDF or a text, at most 10 MiB." }
            }
        }
    }
}

pub(super) async fn add(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(entry): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (account, wanted) = (who.account.id.clone(), entry.clone());
    let written = app.read(move |db| journal::get(db, &account, &wanted)).await?;
    let taken = form::file(&app, &who, request, "Nothing was kept.", async |before, field| {
        take(&app, &who.account, &entry, before, field).await?;
        Ok(before.back())
    });
    match taken.await {
        Ok(back) => Ok(back.into_response()),
        // Another session's form: nothing on this page is wrong.
        Err(problem) if problem.status == StatusCode::FORBIDDEN => Err(problem),
        Err(problem) => {
            let wrong = Wrong::new(&action(&entry), "file", problem, BTreeMap::new())?;
            pages::show_day(&app, &who, &nonce, written.day, (pages::OfDay::at(written.id), Some(&wrong)))
                .await
        }
    }
}

async fn take(
    app: &App,
    who: &Account,
    entry: &str,
    before: &Before,
    mut field: Field<'_>,
) -> Result<(), Problem> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let (mut bytes, most) = (Vec::new(), usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX));
    while let Some(piece) = field.chunk().await.map_err(|_| too_large())? {
        if bytes.len() + piece.len() > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    keep(app, who, before, (entry, name), bytes).await
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "A file has at most 10 MiB. Nothing of it was kept.")
}

/// Keeps the file once for the form's key; what broke off under it before goes on where it was.
async fn keep(
    app: &App,
    who: &Account,
    before: &Before,
    (entry, name): (&str, String),
    mut bytes: Vec<u8>,
) -> Result<(), Problem> {
    let key = before.key(&[action(entry).as_bytes(), name.as_bytes(), &Sha256::digest(&bytes)]);
    let (entry, size) = (entry.to_owned(), bytes.len() as u64);
    let announce = move |tx: &Transaction<'_>, who: &Account| {
        let new = attachments::announce(tx, &who.id, &entry, &name, size)?;
        Ok(Reply::new(303, serde_json::json!({"id": new.id})))
    };
    let reply = app.change(who, key, announce).await?;
    let (account, id) = (who.id.clone(), reply.body["id"].as_str().unwrap_or_default().to_owned());
    let upload = match app.read(move |db| attachments::get(db, &account, &id)).await {
        Err(Error::NotFound(_)) if reply.replayed => return Err(gone()),
        found => found?,
    };
    let received = app.inner.uploads.received(&who.id, &upload).await?;
    if received == upload.size {
        return Ok(());
    }
    let rest = bytes.split_off(usize::try_from(received).unwrap_or(bytes.len()));
    let rest = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(rest.into())]);
    let sent = app.inner.uploads.append(&who.id, &upload, received, rest).await;
    sent.map(|_| ()).map_err(Problem::from)
}

/// The form was sent before, and what came of it is not there any more.
fn gone() -> Problem {
    let told = "This file was refused or removed since it was sent first; choose it again. Nothing was kept.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, told)
}

pub(super) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let store = app.inner.uploads.store.clone();
    let work = move |tx: &Transaction<'_>, who: &Account| {
        attachments::upload::remove(tx, &store, &who.id, &id)?;
        Ok(Reply::new(303, serde_json::Value::Null))
    };
    app.change(&sent.who.account, sent.key.clone(), work).await?;
    Ok(sent.back(None).into_response())
}
