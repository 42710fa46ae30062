//! An answer's own page: what was said, how it was understood, what came of it; with its undo, or its choices.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};

use super::{
    journal::encode,
    layout::{self, Frame},
    parts,
};
use crate::{
    brain::{
        kept::{self, Kept},
        say::{Offer, Outcome},
    },
    command::undo::{self, Past},
    error::Error,
    web::{App, guard::Nonce, problem::Problem, session::Visitor},
};

/// Where the answer `id` is.
pub(super) fn address(id: &str) -> String {
    format!("/answers/{id}")
}

/// Also of what was done elsewhere than in the box: that has its undo, and no sentence.
pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (account, wanted) = (who.account.clone(), id.clone());
    let query = move |db: &rusqlite::Connection| {
        Ok((kept::get(db, &account.id, &wanted)?, undo::get(db, &account, &wanted)?))
    };
    let (kept, past) = app.read(query).await?;
    if let Some(talk) = kept.as_ref().and_then(|kept| kept.said.talk.as_ref()) {
        return Ok(Redirect::to(&format!("/chat/{}", talk.conversation_id)).into_response());
    }
    let frame = Frame::new(&app, &who, &nonce, "/dashboard", "Answer");
    let content = match (&kept, &past) {
        (Some(kept), _) => answer(&frame, kept, past.as_ref()),
        (None, Some(past)) => html! {
            div.head { h1 { (past.understood) } }
            section.sheet.pad { p.told { (past.reply) } (done(&frame, &id, past)) }
        },
        (None, None) => return Err(Error::NotFound("answer").into()),
    };
    Ok(layout::page(&frame, content).into_response())
}

fn answer(frame: &Frame<'_>, kept: &Kept, past: Option<&Past>) -> Markup {
    let Kept { sentence, said, back, .. } = kept;
    html! {
        div.head { p { "“" (sentence) "”" } h1 { (said.understood) } }
        // Whoever sent it from a queue keeps it until it is answered.
        section.sheet.pad role="status" data-unanswered[is_open(kept)] {
            @match said.outcome {
                Outcome::NotUnderstood => (not_understood(frame, kept)),
                Outcome::Ask => (ask(frame, kept)),
                // A conversation shows itself.
                Outcome::Done | Outcome::Talk => {
                    p.told { (said.reply) }
                    @if let Some(past) = past { (done(frame, &kept.id, past)) }
                    @if let Some(query) = &said.searched { div.offers { a.button.quiet href={ "/search?q=" (encode(query)) } { "Open in the search" } } }
                },
            }
        }
        p.part { a.button.quiet href=(back) { "Back" } }
    }
}

/// A question, or words that were not understood, of which nobody has said yet what becomes of them.
fn is_open(kept: &Kept) -> bool {
    kept.chosen.is_none() && matches!(kept.said.outcome, Outcome::Ask | Outcome::NotUnderstood)
}

fn done(frame: &Frame<'_>, id: &str, past: &Past) -> Markup {
    parts::card(frame, past, &address(id), true)
}

/// Each choice is a whole sentence; the first that is pressed is the answer.
fn ask(frame: &Frame<'_>, kept: &Kept) -> Markup {
    let said = &kept.said;
    html! {
        p { (said.reply) }
        @match &kept.chosen {
            Some(chosen) => p { "This was answered. " a href=(address(chosen)) { "What came of it" } },
            None => {
                div.offers { @for choice in &said.choices { (offer(frame, kept, choice)) } }
                @if said.choices.iter().any(|choice| choice.teaches.is_some()) {
                    p { small { "The answer is remembered. The settings forget it." } }
                }
            },
        }
    }
}

fn offer(frame: &Frame<'_>, kept: &Kept, choice: &Offer) -> Markup {
    html! {
        form method="post" action="/say" {
            (parts::hidden(frame, &kept.back))
            input type="hidden" name="question" value=(kept.id);
            input type="hidden" name="text" value=(choice.text);
            @if let Some(teaches) = &choice.teaches { input type="hidden" name="teaches" value=(teaches); }
            button.quiet type="submit" { (choice.label) }
        }
    }
}

/// Nothing that was typed is lost: it can be kept as it is, or talked about.
fn not_understood(frame: &Frame<'_>, kept: &Kept) -> Markup {
    let sentence = &kept.sentence;
    let say = |label: &str, text: String| {
        offer(frame, kept, &Offer { label: label.to_owned(), text, teaches: None })
    };
    html! {
        @if let Some(chosen) = &kept.chosen {
            p { "You have said what to do with that. " a href=(address(chosen)) { "What came of it" } }
        } @else {
            // Examples are buttons here. Without them the reply says why it was not done.
            @if kept.said.examples.is_empty() { p { (kept.said.reply) } }
            p { @if !kept.said.examples.is_empty() { "I do not know what to do with that. " } "I can keep it, or we can talk about it." }
            div.offers {
                (say("Save as task", format!("task: {sentence}")))
                (say("Write in the journal", format!("journal: {sentence}")))
                form method="post" action="/chat" {
                    (parts::hidden(frame, "/chat"))
                    input type="hidden" name="text" value=(sentence);
                    button.quiet type="submit" { "Ask in the chat" }
                }
            }
        }
        @if !kept.said.examples.is_empty() {
            section.part { header { h2 { "Things that work" } } (parts::examples(frame, &kept.said.examples)) }
        }
    }
}
