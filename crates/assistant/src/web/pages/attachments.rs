//! Files below an entry of the journal, and the form that adds one. Works without script: the browser sends it whole.

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use rusqlite::Transaction;

use super::{
    form::{self, Sent},
    layout::Frame,
    parts,
};
use crate::{
    accounts::Account,
    attachments::{self, Attachment, FILE_BYTES_MAX},
    journal::Entry,
    once::Reply,
    web::{App, api::attachments::content_path, problem::Problem, session::Visitor},
};

/// What stands below an entry.
pub(super) fn below(frame: &Frame<'_>, entry: &Entry, files: &[Attachment]) -> Markup {
    let own: Vec<&Attachment> = files.iter().filter(|file| file.entry_id == entry.id).collect();
    html! {
        @if !own.is_empty() {
            ul.files {
                @for file in own {
                    li {
                        a href=(content_path(&file.id)) download=(file.name) {
                            @if file.is_image() { img src=(content_path(&file.id)) alt=(file.name) loading="lazy"; } @else { (file.name) }
                        }
                        form method="post" action={ "/attachments/" (file.id) "/delete" } {
                            (parts::hidden(frame, "/journal"))
                            button.icon type="submit" aria-label={ "Remove: " (file.name) } { (parts::icon("bin")) }
                        }
                    }
                }
            }
        }
        details.attach {
            summary { "Add a file" }
            form method="post" action={ "/journal/" (entry.id) "/attachments" } enctype="multipart/form-data" {
                (parts::hidden(frame, "/journal"))
                input type="file" name="file" aria-label="File" accept="image/*,application/pdf,text/plain" required;
                button.quiet type="submit" { "Add" }
                p.rule { "An image, a PDF or a text, at most 10 MiB." }
            }
        }
    }
}

pub(super) async fn add(
    State(app): State<App>,
    Visitor(who): Visitor,
    Path(entry): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let account = who.account.id.clone();
    let wanted = entry.clone();
    app.read(move |db| crate::journal::get(db, &account, &wanted)).await?;
    form::file(&app, &who, request, "Nothing was kept.", async |mut field| {
        let name = field.file_name().unwrap_or_default().to_owned();
        let (mut bytes, most) = (Vec::new(), usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX));
        while let Some(piece) = field.chunk().await.map_err(|_| too_large())? {
            if bytes.len() + piece.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        keep(&app, &who.account, &entry, &name, bytes).await
    })
    .await?;
    Ok(Redirect::to("/journal").into_response())
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "A file has at most 10 MiB. Nothing of it was kept.")
}

async fn keep(app: &App, who: &Account, entry: &str, name: &str, bytes: Vec<u8>) -> Result<(), Problem> {
    let (account, entry, name, size) =
        (who.id.clone(), entry.to_owned(), name.to_owned(), bytes.len() as u64);
    let announce = move |tx: &Transaction<'_>| attachments::announce(tx, &account, &entry, &name, size);
    let upload = app.inner.db.write(kit::sqlite::Durability::Full, announce).await?;
    let whole = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(bytes.into())]);
    let sent = app.inner.uploads.append(&who.id, &upload, 0, whole).await;
    sent.map(|_| ()).map_err(Problem::from)
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
