//! What becomes of people's data: who gets it, how long it is kept, out and in, and its end.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode};
use kit::Private;
use maud::{Markup, html};
use rusqlite::Transaction;
use serde_json::Value;

use super::super::{
    form::{self, Sent},
    layout::Frame,
    parts,
};
use crate::{
    accounts::Account,
    erase,
    import::{ARCHIVE_BYTES_MAX, Form},
    once::Reply,
    settings::models,
    web::{
        App,
        api::{
            self,
            account::{Connection, place},
        },
        problem::Problem,
        session::Visitor,
        spool::spool,
    },
};

pub(super) fn privacy(app: &App) -> Markup {
    let (kept, vendors) = (app.inner.retention, models::vendors(&app.inner.models));
    let days =
        |days: Option<u64>| days.map_or("until you delete it".to_owned(), |days| format!("{days} days"));
    html! {
        section.part {
            header { h2 { "Where text goes" } }
            dl.sheet.pad {
                @for vendor in &vendors {
                    dt { (vendor.host) } dd { (vendor.name) ", a service outside this program, gets " (vendor.gets) "." }
                }
                @if vendors.is_empty() { dt { "Outside" } dd { "nowhere: all of it stays on this machine" } }
                dt { "Journal" } dd { "kept " (days(kept.journal)) }
                dt { "Tasks that are done" } dd { "kept " (days(kept.tasks)) }
                dt { "Conversations" } dd { "kept " (days(kept.conversations)) }
            }
        }
    }
}

pub(super) fn yours(frame: &Frame<'_>, erase_at: Option<i64>) -> Markup {
    html! {
        section.part {
            header { h2 { "Your data" } }
            div.sheet.pad {
                p { a.button.quiet href="/api/export" download { "Export everything" } " Journal, tasks, conversations and files as one archive." }
                form method="post" action="/settings/import" enctype="multipart/form-data" {
                    (parts::hidden(frame, "/settings"))
                    div.fields {
                        input type="file" name="file" aria-label="File to import" accept=".tar,.ics,.md" required;
                        button.quiet type="submit" { "Import" }
                    }
                    p.rule { "An export (.tar), tasks (.ics) or a journal (.md). What is there stays." }
                }
            }
        }
        section.part {
            header { h2 { "Erase this account" } }
            div.sheet.pad { (ending(frame, erase_at)) }
        }
    }
}

fn ending(frame: &Frame<'_>, erase_at: Option<i64>) -> Markup {
    html! {
        @if let Some(at) = erase_at {
            p role="status" { "Everything of this account is erased on " b { (frame.who.account.local(at).strftime("%-d %B %Y, %H:%M")) } "." }
            form method="post" action="/settings/erase/cancel" {
                (parts::hidden(frame, "/settings"))
                button type="submit" { "Keep my account" }
            }
        } @else {
            form method="post" action="/settings/erase" {
                (parts::hidden(frame, "/settings"))
                div.fields {
                    input type="password" name="password" placeholder="Your password" aria-label="Your password" autocomplete="current-password" required;
                    button.quiet type="submit" { "Erase after seven days" }
                }
                p.rule { "Nobody can bring it back after that. Export first what you want to keep." }
            }
        }
    }
}

pub(in crate::web::pages) async fn ask(
    State(app): State<App>,
    peer: Connection,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let password = Private::new(sent.raw("password").to_owned());
    let network = place(&headers, peer).address;
    api::erase::mark(&app, &sent.who.account, password, &network, sent.key.clone()).await?;
    Ok(sent.back(None).into_response())
}

pub(in crate::web::pages) async fn cancel(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let work = |tx: &Transaction<'_>, who: &Account| {
        erase::cancel(tx, who)?;
        Ok(Reply::new(303, Value::Null))
    };
    app.change(&sent.who.account, sent.key.clone(), work).await?;
    Ok(sent.back(None).into_response())
}

/// What the file is, its name says: browsers know no type for two of the three.
pub(in crate::web::pages) async fn import(
    State(app): State<App>,
    Visitor(who): Visitor,
    request: Request,
) -> Result<Response, Problem> {
    form::file(&app, &who, request, "Nothing was changed.", async |field| {
        let kind = field.file_name().and_then(|name| name.rsplit_once('.')).map(|(_, kind)| kind);
        let form = match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("tar") => Form::Archive,
            Some("ics") => Form::Calendar,
            Some("md" | "markdown" | "txt") => Form::Markdown(None),
            _ => {
                let wrong = "An import is a file ending in .tar, .ics or .md. Nothing was changed.";
                return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, wrong));
            }
        };
        let spooled = spool(app.inner.data.clone(), ARCHIVE_BYTES_MAX, field).await?;
        api::data::take(&app, &who.account, None, spooled, form).await
    })
    .await?;
    Ok(Redirect::to("/settings").into_response())
}
