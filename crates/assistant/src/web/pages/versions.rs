//! Forms of things that two tabs may change at once: what was read, what was typed, and the page that brings two versions
//! together, so that nothing is lost. Tasks and entries share it.

use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{
    form::Sent,
    layout::{self, Frame},
    parts, tasks,
    wrong::Wrong,
};
use crate::{command::Command, error::Error, web::problem::Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Date,
    Time,
    /// A text of many lines.
    Lines,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// What there is of a kind: its fields, and where its things are.
pub(super) struct Sort {
    pub(super) word: &'static str,
    pub(super) fields: &'static [Field],
    /// Where such a thing is added.
    pub(super) list: &'static str,
    /// What is said below the fields.
    pub(super) hint: &'static str,
}

/// A thing as a form holds it, a value for each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed(pub(super) Vec<String>);

/// A thing as it is now.
pub(super) struct Now<'a> {
    pub(super) sort: &'static Sort,
    pub(super) title: &'a str,
    /// The address of its form.
    pub(super) action: String,
    /// The page that one goes back to.
    pub(super) back: String,
    pub(super) rev: i64,
    pub(super) typed: Typed,
}

impl Typed {
    /// The fields of a form whose names begin with `prefix`. Browsers end lines with CR LF, rows with LF.
    pub(super) fn sent(sort: &Sort, sent: &Sent, prefix: &str) -> Self {
        let value = |field: &Field| sent.text(&format!("{prefix}{}", field.name)).to_owned();
        Self(sort.fields.iter().map(value).collect())
    }

    /// What `self` changed against `before`, over what is there now: a field that only one side changed has that
    /// side's words, one that both changed has these.
    fn merged(&self, before: &Self, now: &Self) -> Self {
        let mut merged = self.clone();
        for (at, field) in merged.0.iter_mut().enumerate() {
            if Some(&*field) == before.0.get(at) {
                now.0.get(at).cloned().unwrap_or_default().clone_into(field);
            }
        }
        merged
    }
}

impl Now<'_> {
    /// Whether it still is what the form was made from.
    pub(super) fn is_what_was_read(&self, sent: &Sent) -> bool {
        sent.text("rev").parse() == Ok(self.rev)
    }
}

/// A form that does not fit: which field of it, and why.
pub(super) struct Misfit(pub(super) &'static str, pub(super) Error);

/// Carries out what was typed over `now`, and goes on where `done` leads; the command that it was is there to be shown.
/// What does not fit is told at `field`.
///
/// # Errors
/// 412: between the look at `now` and the change somebody else was faster, so another look shows both versions.
pub(super) async fn save(
    frame: Frame<'_>,
    sent: &Sent,
    (now, typed): (&Now<'_>, &Typed),
    (field, command): (&'static str, Command),
    done: impl FnOnce(&str) -> Redirect,
) -> Result<Response, Problem> {
    let executed =
        tasks::execute(frame.app, &sent.who.account, sent.key.clone(), move |_, _| Ok(command)).await;
    match executed {
        Ok(said) => Ok(done(&said).into_response()),
        Err(error @ Error::Invalid(_)) => refused(frame, sent, (now, typed), Misfit(field, error)),
        Err(error) => Err(error.into()),
    }
}

/// Changes the thing only if it still is `now`.
pub(super) fn form(frame: &Frame<'_>, now: &Now<'_>, typed: &Typed, save: &str) -> Markup {
    html! {
        form.sheet.pad.edit method="post" action=(now.action) {
            (parts::hidden(frame, &now.back))
            input type="hidden" name="rev" value=(now.rev);
            @for (field, value) in now.sort.fields.iter().zip(&now.typed.0) {
                input type="hidden" name={ "was_" (field.name) } value=(value);
            }
            (fields(frame, &now.action, now.sort, typed))
            @if !now.sort.hint.is_empty() { p.rule { (now.sort.hint) } }
            div.offers { button type="submit" { (save) } a.button.quiet href=(now.back) { "Leave it as it is" } }
        }
    }
}

fn fields(frame: &Frame<'_>, action: &str, sort: &Sort, typed: &Typed) -> Markup {
    html! {
        @for (field, value) in sort.fields.iter().zip(&typed.0) {
            @let mark = frame.mark(action, field.name);
            @let bad = mark.map(|_| "true");
            label { (field.label)
                @match field.kind {
                    Kind::Lines => textarea name=(field.name) rows="10" required[field.required] autofocus[mark.is_some()] aria-invalid=[bad] aria-describedby=[mark] { "\n" (value) },
                    Kind::Text => input type="text" name=(field.name) value=(value) required[field.required] autocomplete="off" autofocus[mark.is_some()] aria-invalid=[bad] aria-describedby=[mark];,
                    Kind::Date => input type="date" name=(field.name) value=(value) required[field.required] autocomplete="off" autofocus[mark.is_some()] aria-invalid=[bad] aria-describedby=[mark];,
                    Kind::Time => input type="time" name=(field.name) value=(value) step="any" required[field.required] autocomplete="off" autofocus[mark.is_some()] aria-invalid=[bad] aria-describedby=[mark];,
                }
            }
            (frame.error(action, field.name))
        }
    }
}

/// The form again, as it was typed, with what is wrong at its field.
pub(super) fn refused(
    frame: Frame<'_>,
    sent: &Sent,
    (now, typed): (&Now<'_>, &Typed),
    Misfit(field, error): Misfit,
) -> Result<Response, Problem> {
    let wrong = sent.wrong(field, error)?;
    let frame = frame.answering(Some(&wrong));
    let content = html! {
        div.head { h1 { (now.title) } }
        (form(&frame, now, typed, "Save"))
    };
    Ok(Wrong::respond(Some(&wrong), layout::page(&frame, content)))
}

/// Both versions side by side, and a form that holds what becomes of them. `before`: what both began with.
pub(super) fn merge(frame: &Frame<'_>, now: &Now<'_>, yours: &Typed, before: &Typed) -> Response {
    let theirs = &now.typed;
    let merged = yours.merged(before, theirs);
    let content = html! {
        div.head role="status" {
            h1 { "This " (now.sort.word) " was changed meanwhile" }
            p { "Nothing is lost: here are both versions. The form below holds them together; what both changed stands there as you wrote it." }
        }
        table.sheet.versions {
            thead { tr { td {} th scope="col" { "As it is now" } th scope="col" { "As you wrote it" } } }
            tbody {
                @for ((field, theirs), yours) in now.sort.fields.iter().zip(&theirs.0).zip(&yours.0) {
                    tr.differs[theirs != yours] {
                        th scope="row" { (field.label) }
                        td { (theirs) }
                        td { (yours) }
                    }
                }
            }
        }
        section.part { (form(frame, now, &merged, "Save this")) }
    };
    (StatusCode::PRECONDITION_FAILED, layout::page(frame, content)).into_response()
}

/// Deleted in another tab: what was typed can be added again. If that was tried, what is wrong stands at its field.
pub(super) fn gone(frame: &Frame<'_>, sort: &Sort, typed: &Typed) -> Response {
    let content = html! {
        div.head role="status" { h1 { "This " (sort.word) " was deleted meanwhile" } p { "What you wrote is still here." } }
        form.sheet.pad.edit method="post" action=(sort.list) {
            (parts::hidden(frame, sort.list))
            (fields(frame, sort.list, sort, typed))
            div.offers { button type="submit" { "Add it again" } a.button.quiet href=(sort.list) { "Leave it deleted" } }
        }
    };
    match frame.wrong {
        Some(_) => Wrong::respond(frame.wrong, layout::page(frame, content)),
        None => (StatusCode::NOT_FOUND, layout::page(frame, content)).into_response(),
    }
}
