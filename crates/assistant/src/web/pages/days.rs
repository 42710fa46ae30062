//! The cards and forms of reminders and of the morning summary.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use jiff::civil::Time;
use maud::{Markup, html};

use super::{form::Sent, layout::Frame, parts};
use crate::{
    accounts::Account,
    command::words,
    once::Reply,
    reminders::{self, Reminder},
    summary::Summary,
    web::{App, problem::Problem},
};

/// What was told and not seen; nothing at all when there is none.
pub(super) fn away(frame: &Frame<'_>, unseen: &[Reminder]) -> Markup {
    let who = &frame.who.account;
    html! {
        @if !unseen.is_empty() {
            section.part {
                header { h2 { "While you were away" } }
                ul.list.plain.sheet {
                    @for reminder in unseen {
                        @let at = who.local(reminder.due_at);
                        li {
                            span.title { (reminder.title) }
                            span.due { (words::show_day(at.date(), who.now().date())) ", " (words::show_time(at.time())) }
                            form method="post" action={ "/reminders/" (reminder.id) "/seen" } {
                                (parts::hidden(frame, frame.here))
                                button.quiet type="submit" aria-label={ "Seen: " (reminder.title) } { "Seen" }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn morning(made: Option<&Summary>) -> Markup {
    html! {
        @if let Some(summary) = made {
            section.part { header { h2 { "This morning" } } p.sheet.pad { (summary.text) } }
        }
    }
}

/// The hour of the summary, and whether reminders may leave the page.
pub(super) fn settings(frame: &Frame<'_>, hour: Time) -> Markup {
    let mark = frame.mark("/settings/morning", "at");
    let hour = words::show_time(hour);
    html! {
        section.part {
            header { h2 { "Your day" } }
            form.sheet.pad method="post" action="/settings/morning" {
                (parts::hidden(frame, "/settings"))
                label for="morning" { "Morning summary at" }
                div.fields {
                    input #morning type="time" name="at" value=(frame.typed("/settings/morning", "at", &hour)) required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark];
                    button type="submit" { "Save" }
                }
                (frame.error("/settings/morning", "at"))
            }
            p.offers hidden data-notify { button.quiet type="button" { "Show reminders as notifications" } }
        }
    }
}

pub(super) async fn seen(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        reminders::see(tx, &who.id, &id)?;
        Ok(Reply::new(303, serde_json::Value::Null))
    };
    app.change(&sent.who.account, sent.key.clone(), work).await?;
    Ok(sent.back(None).into_response())
}
