//! What the box answers: done things lead back to where one was, with the chip; told things are a page of their own; what
//! a model is asked is a conversation.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use maud::{Markup, html};

use super::{
    form::Sent,
    journal::encode,
    layout::{self, Frame},
    parts, sentence,
    wrong::Wrong,
};
use crate::{
    brain::{
        Dates,
        say::{Offer, Outcome, Said, Spoken},
    },
    web::{App, api, guard::Nonce, problem::Problem},
};

/// Reloading the answer's page in the address bar asks for it without a sentence.
pub(super) async fn nothing_said() -> Redirect {
    Redirect::to("/dashboard")
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let sentence = sent.text("text");
    let said = match spoken(&sent) {
        Ok(spoken) => api::say::said(&app, &sent.who.account, spoken, sent.key.clone()).await,
        Err(problem) => Err(problem),
    };
    let said = match said {
        Ok(said) => said,
        Err(problem) => return refused(&app, &nonce, &sent, problem),
    };
    if let Some(undo_id) = &said.undo_id {
        return Ok(sent.back(Some(undo_id)).into_response());
    }
    if let Some(talk) = &said.talk {
        return Ok(Redirect::to(&format!("/chat/{}", talk.conversation_id)).into_response());
    }
    let frame = Frame::new(&app, &sent.who, &nonce, "/dashboard", "Answer");
    Ok(layout::page(&frame, answer(&frame, sentence, &said)).into_response())
}

fn spoken(sent: &Sent) -> Result<Spoken, Problem> {
    let dates = if sent.text("dates") == "keep" { Dates::Keep } else { Dates::Read };
    let teaches =
        Some(sent.text("teaches")).filter(|said| !said.is_empty()).map(api::say::lesson).transpose()?;
    Ok(Spoken { text: sent.text("text").to_owned(), dates, teaches })
}

/// What was said stands in the box again, with what is wrong with it.
fn refused(app: &App, nonce: &Nonce, sent: &Sent, problem: Problem) -> Result<Response, Problem> {
    let wrong = sent.wrong("text", problem)?;
    let frame = Frame::new(app, &sent.who, nonce, "/dashboard", "Not done").answering(Some(&wrong));
    let content = html! {
        div.head { h1 { "Not done" } p { "What you said is still in the box below." } }
        section.part { header { h2 { "Things that work" } } (parts::examples(&frame, &super::dashboard::STARTERS)) }
    };
    Ok(Wrong::respond(Some(&wrong), layout::page(&frame, content)))
}

fn answer(frame: &Frame<'_>, sentence: &str, said: &Said) -> Markup {
    html! {
        div.head { p { "“" (sentence) "”" } h1 { (said.understood) } }
        section.sheet.pad role="status" {
            @match said.outcome {
                Outcome::NotUnderstood => (not_understood(frame, sentence, said)),
                Outcome::Ask => (ask(frame, said)),
                // The conversation shows itself.
                Outcome::Done | Outcome::Talk => {
                    p.told { (said.reply) }
                    @if let Some(query) = &said.searched { div.offers { a.button.quiet href={ "/search?q=" (encode(query)) } { "Open in the search" } } }
                },
            }
        }
    }
}

fn ask(frame: &Frame<'_>, said: &Said) -> Markup {
    html! {
        p { (said.reply) }
        div.offers {
            @for choice in &said.choices { (offer(frame, choice)) }
        }
        @if said.choices.iter().any(|choice| choice.teaches.is_some()) {
            p { small { "The answer is remembered. The settings forget it." } }
        }
    }
}

fn sentence_button(frame: &Frame<'_>, label: &str, text: &str) -> Markup {
    offer(frame, &Offer { label: label.to_owned(), text: text.to_owned(), teaches: None })
}

fn offer(frame: &Frame<'_>, choice: &Offer) -> Markup {
    html! {
        form method="post" action="/say" {
            (parts::hidden(frame, frame.here))
            input type="hidden" name="text" value=(choice.text);
            @if let Some(teaches) = &choice.teaches { input type="hidden" name="teaches" value=(teaches); }
            button.quiet type="submit" { (choice.label) }
        }
    }
}

/// Nothing that was typed is lost: it can be kept as it is, or talked about.
fn not_understood(frame: &Frame<'_>, sentence: &str, said: &Said) -> Markup {
    html! {
        p { "I do not know what to do with that. I can keep it, or we can talk about it." }
        div.offers {
            (sentence_button(frame, "Save as task", &format!("task: {sentence}")))
            (sentence_button(frame, "Write in the journal", &format!("journal: {sentence}")))
            form method="post" action="/chat" {
                (parts::hidden(frame, "/chat"))
                input type="hidden" name="text" value=(sentence);
                button.quiet type="submit" { "Ask in the chat" }
            }
        }
        section.part { header { h2 { "Things that work" } } (parts::examples(frame, &said.examples)) }
    }
}

pub(super) async fn undo(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    match api::say::take_back(&app, &sent.who.account, id.clone(), sent.key.clone()).await {
        Ok(_) => Ok(sent.back(Some(&id)).into_response()),
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            let frame = Frame::new(&app, &sent.who, &nonce, "/dashboard", "Not undone");
            let content = html! {
                div.head role="status" { h1 { "Not undone" } p { (sentence(&problem.detail)) } }
                div.offers { a.button href=(sent.origin()) { "Back" } a.button.quiet href="/history" { "What was done lately" } }
            };
            Ok((StatusCode::CONFLICT, layout::page(&frame, content)).into_response())
        }
        Err(problem) => Err(problem),
    }
}
