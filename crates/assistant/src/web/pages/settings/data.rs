//! What becomes of people's data: who gets it, how long it is kept, out and in, and its end.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Request, State, multipart::Field},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode};
use kit::Private;
use maud::{Markup, html};

use super::{
    super::{
        form::{self, Before, Sent},
        layout::Frame,
        parts,
        wrong::Wrong,
    },
    refuse, settle, show,
};
use crate::{
    accounts::Account,
    erase,
    error::Error,
    import::{ARCHIVE_BYTES_MAX, Form, Imported},
    settings::models,
    web::{
        App,
        api::{
            self,
            account::{Connection, place},
        },
        guard::Nonce,
        problem::Problem,
        session::Visitor,
        spool::spool,
    },
};

const IMPORT: &str = "/settings/import";
const ERASE: &str = "/settings/erase";
const CANCEL: &str = "/settings/erase/cancel";

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

pub(super) fn yours(frame: &Frame<'_>, imported: Imported, erase_at: Option<i64>) -> Markup {
    let mark = frame.mark(IMPORT, "file");
    html! {
        section.part {
            header { h2 { "Your data" } }
            div.sheet.pad {
                p { a.button.quiet href="/api/export" download { "Export everything" } " Journal, tasks, conversations and files as one archive." }
                form method="post" action=(IMPORT) enctype="multipart/form-data" {
                    (parts::hidden(frame, "/settings"))
                    div.fields {
                        input type="file" name="file" aria-label="File to import" accept=".tar,.ics,.md" required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark];
                        button.quiet type="submit" { "Import" }
                    }
                    (frame.error(IMPORT, "file"))
                    @if imported != Imported::default() { p #imported role="status" { (came(imported)) } }
                    p.rule { "An export (.tar), tasks (.ics) or a journal (.md). What is there stays, and the same file twice comes twice." }
                }
            }
        }
        section.part {
            header { h2 { "Erase this account" } }
            div.sheet.pad { (ending(frame, erase_at)) }
        }
    }
}

/// `Imported: 3 tasks, 2 files. 1 event was left out: of a calendar the to-dos are taken.`
fn came(imported: Imported) -> String {
    let Imported { tasks, entries, conversations, messages, commands, attachments, left_out } = imported;
    let counted =
        |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let came: Vec<String> = [
        (tasks, "task", "tasks"),
        (entries, "entry", "entries"),
        (conversations, "conversation", "conversations"),
        (messages, "message", "messages"),
        (commands, "line of the history", "lines of the history"),
        (attachments, "file", "files"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| counted(count, one, many))
    .collect();
    let came = format!("Imported: {}.", if came.is_empty() { "nothing".to_owned() } else { came.join(", ") });
    match left_out {
        0 => came,
        events => {
            let events = counted(events, "event was", "events were");
            format!("{came} {events} left out: of a calendar the to-dos are taken.")
        }
    }
}

/// Back to the page that the form stood on, which tells it.
fn told(imported: Imported) -> Redirect {
    let Imported { tasks, entries, conversations, messages, commands, attachments, left_out } = imported;
    let counts = [
        ("tasks", tasks),
        ("entries", entries),
        ("conversations", conversations),
        ("messages", messages),
        ("commands", commands),
        ("attachments", attachments),
        ("left_out", left_out),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name}={count}"))
        .collect();
    Redirect::to(&format!("/settings?{}#imported", counts.join("&")))
}

fn ending(frame: &Frame<'_>, erase_at: Option<i64>) -> Markup {
    let mark = frame.mark(ERASE, "password");
    html! {
        (frame.error(CANCEL, "cancel"))
        @if let Some(at) = erase_at {
            p role="status" { "Everything of this account is erased on " b { (frame.who.account.local(at).strftime("%-d %B %Y, %H:%M")) } "." }
            form method="post" action=(CANCEL) {
                (parts::hidden(frame, "/settings"))
                button type="submit" { "Keep my account" }
            }
        } @else {
            form method="post" action=(ERASE) {
                (parts::hidden(frame, "/settings"))
                div.fields {
                    input type="password" name="password" placeholder="Your password" aria-label="Your password" autocomplete="current-password" required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark];
                    button.quiet type="submit" { "Erase after seven days" }
                }
                (frame.error(ERASE, "password"))
                p.rule { "Nobody can bring it back after that. Export first what you want to keep." }
            }
        }
    }
}

pub(in crate::web::pages) async fn ask(
    State(app): State<App>,
    peer: Connection,
    headers: HeaderMap,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let password = Private::new(sent.raw("password").to_owned());
    let network = place(&headers, peer).address;
    match api::erase::mark(&app, &sent.who.account, password, &network, sent.key.clone()).await {
        Ok(_) => Ok(sent.back(None).into_response()),
        Err(problem) => refuse(&app, &nonce, &sent, "password", problem).await,
    }
}

pub(in crate::web::pages) async fn cancel(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let work = |tx: &rusqlite::Transaction<'_>, who: &Account| erase::cancel(tx, who);
    settle(&app, &nonce, &sent, "cancel", work).await
}

/// All that was in the file, once, or what is wrong with it at its field.
pub(in crate::web::pages) async fn import(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    request: Request,
) -> Result<Response, Problem> {
    let taken = form::file(&app, &who, request, "Nothing was changed.", async |before, field| {
        take(&app, &who.account, before, field).await
    });
    match taken.await {
        Ok(imported) => Ok(told(imported).into_response()),
        // Another session's form: nothing on this page is wrong.
        Err(problem) if problem.status == StatusCode::FORBIDDEN => Err(problem),
        Err(problem) => {
            let wrong = Wrong::new(IMPORT, "file", problem, BTreeMap::new())?;
            show(&app, &who, &nonce, Some(&wrong)).await
        }
    }
}

/// What the file is, its name says: browsers know no type for two of the three.
async fn take(app: &App, who: &Account, before: &Before, field: Field<'_>) -> Result<Imported, Problem> {
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
    let _turn = api::data::turn(app)?;
    let spooled = spool(app.inner.data.clone(), ARCHIVE_BYTES_MAX, field).await?;
    let key = before.key(&[IMPORT.as_bytes(), format!("{form:?}").as_bytes(), &spooled.digest]);
    let reply = api::data::take(app, who, key, spooled, form).await?;
    serde_json::from_value(reply.body).map_err(|error| Error::Invalid(error.to_string()).into())
}
