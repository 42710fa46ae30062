//! One conversation. The page shows what is whole and follows what is being written; without script it loads itself
//! again. Every branch, retry and edit is a form.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::ask_form;
use crate::{
    brain::say::BUILT_IN,
    chat::{
        self, Message,
        branch::Place,
        shown::{self, Proposal, Shown},
    },
    command::undo::Past,
    web::{
        App,
        guard::Nonce,
        markdown,
        pages::{
            layout::{self, Frame},
            parts::{self, icon},
        },
        problem::Problem,
        request::Params,
        session::Visitor,
    },
};

#[derive(Deserialize)]
pub(in crate::web::pages) struct From {
    /// The command that was just done or undone.
    pub(super) said: Option<String>,
}

pub(in crate::web::pages) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    Params(from): Params<From>,
) -> Result<Response, Problem> {
    let (account, wanted) = (who.account.clone(), id.clone());
    let query = move |db: &rusqlite::Connection| {
        Ok((chat::get(db, &account.id, &wanted)?, shown::messages(db, &account, &wanted)?))
    };
    let (conversation, messages) = app.read(query).await?;
    let title = if conversation.title.is_empty() { "Chat".to_owned() } else { conversation.title };
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/chat", title: &title };
    let action = format!("/chat/{id}");
    let answering = messages.iter().any(|one| !one.message.is_over());
    let content = html! {
        div.head { p { a href="/chat" { "All conversations" } } h1 { (title) } (keep(&frame, &action)) }
        // Readers of the screen hear one line at the start and one at the end, never a token.
        p.hidden #status role="status" { (undone(&messages, from.said.as_deref())) }
        div.log role="log" aria-live="off" { @for one in &messages { (message(&frame, one, &action, from.said.as_deref())) } }
        @if answering { noscript { p.part { a.button.quiet href=(action) { "Load the answer" } } } }
    };
    Ok(layout::with_box(&frame, content, ask_form(&frame, &action, "Message…")).into_response())
}

/// The conversation's name, and its end.
fn keep(frame: &Frame<'_>, action: &str) -> Markup {
    html! {
        details.keep {
            summary { "Rename or delete" }
            div.sheet.pad {
                form method="post" action={ (action) "/rename" } {
                    (parts::hidden(frame, action))
                    div.fields {
                        input name="title" value=(frame.title) aria-label="Title" maxlength="80" autocomplete="off" required;
                        button type="submit" { "Rename" }
                    }
                }
                form method="post" action={ (action) "/delete" } {
                    (parts::hidden(frame, "/chat"))
                    button.quiet type="submit" { (icon("bin")) "Delete this conversation" }
                }
            }
        }
    }
}

/// What a screen reader is told after an undo.
fn undone(messages: &[Shown], said: Option<&str>) -> String {
    let past = messages.iter().flat_map(done).find(|past| past.undone && Some(past.id.as_str()) == said);
    past.map_or_else(String::new, |past| format!("Undone: {}", past.understood))
}

/// All that an answer did.
fn done(shown: &Shown) -> impl Iterator<Item = &Past> {
    shown.command.iter().chain(&shown.by_tools)
}

fn message(frame: &Frame<'_>, shown: &Shown, back: &str, said: Option<&str>) -> Markup {
    let message = &shown.message;
    let stream = (!message.is_over()).then(|| format!("/api/messages/{}/stream", message.id));
    html! {
        article.msg.user[!message.is_answer()].assistant[message.is_answer()] id={ "m-" (message.id) } data-stream=[stream] {
            (text(message))
            @if message.is_answer() {
                div.after {
                    @for past in done(shown) { (parts::card(frame, past, back, said == Some(past.id.as_str()))) }
                    @for proposal in &shown.proposals { (proposed(frame, proposal, back)) }
                    (ending(frame, shown, back))
                }
            } @else {
                @for source in &shown.sources { small.source { (source.origin) @if !source.name.is_empty() { ": " (source.name) } } }
                (question(frame, shown, back))
            }
        }
    }
}

/// A model writes Markdown; the built-in brain and people write text.
fn text(message: &Message) -> Markup {
    let by_model = message.by.as_deref().is_some_and(|by| !by.starts_with(BUILT_IN));
    html! {
        @if message.is_answer() && message.is_over() && by_model {
            div.text.rich { (markdown::render(&message.text)) }
        } @else {
            span.text { (message.text) }
        }
    }
}

/// What a model wants to do, and the person's yes or no.
fn proposed(frame: &Frame<'_>, proposal: &Proposal, back: &str) -> Markup {
    let answer = |word: &str, label: &str, quiet: bool| {
        html! {
            form method="post" action={ "/proposals/" (proposal.id) "/" (word) } {
                (parts::hidden(frame, back))
                button.quiet[quiet] type="submit" aria-label={ (label) ": " (proposal.understood) } { (label) }
            }
        }
    };
    html! {
        @match proposal.state {
            "asked" => div.chip.card.ask role="group" aria-label={ "Asked first: " (proposal.understood) } {
                p { b { "Do this?" } " " (proposal.understood) small { "There is text from elsewhere in this conversation, so nothing is changed without you." } }
                (answer("accept", "Do it", false))
                (answer("decline", "No", true))
            },
            "declined" => div.chip.card { p { (proposal.understood) small { "you said no" } } },
            // What was done has its own card.
            _ => {},
        }
    }
}

fn ending(frame: &Frame<'_>, shown: &Shown, back: &str) -> Markup {
    let message = &shown.message;
    html! {
        footer {
            @if message.is_over() {
                span {
                    @match message.status.as_str() {
                        "stopped" => "stopped",
                        "failed" => "no answer came; ask again",
                        _ => { (message.by.as_deref().unwrap_or_default()) @if message.interrupted { " · interrupted" } },
                    }
                }
                @if message.interrupted { (button(frame, &message.id, "continue", "Continue", back)) }
                (button(frame, &message.id, "retry", "Retry", back))
                (places(frame, shown.branch.as_ref(), "answer", back))
            } @else {
                (button(frame, &message.id, "stop", "Stop", back))
            }
        }
    }
}

fn question(frame: &Frame<'_>, shown: &Shown, back: &str) -> Markup {
    let message = &shown.message;
    html! {
        footer {
            details.edit {
                summary { "Edit" }
                form method="post" action={ "/messages/" (message.id) "/edit" } {
                    (parts::hidden(frame, back))
                    textarea name="text" rows="3" maxlength="20000" aria-label="The question in other words" required { (message.text) }
                    button type="submit" { "Ask this instead" }
                }
            }
            (places(frame, shown.branch.as_ref(), "question", back))
        }
    }
}

fn button(frame: &Frame<'_>, message: &str, act: &str, label: &str, back: &str) -> Markup {
    html! {
        form.stop[act == "stop"] method="post" action={ "/messages/" (message) "/" (act) } {
            (parts::hidden(frame, back))
            button.quiet type="submit" { (label) }
        }
    }
}

/// Which of several this is, and the way to its neighbours.
fn places(frame: &Frame<'_>, place: Option<&Place>, what: &str, back: &str) -> Markup {
    let step = |to: Option<&String>, sign: &str, label: String| {
        html! {
            @if let Some(id) = to {
                form method="post" action={ "/messages/" (id) "/choose" } {
                    (parts::hidden(frame, back))
                    button.icon type="submit" aria-label=(label) { (sign) }
                }
            }
        }
    };
    html! {
        @if let Some(place) = place {
            span.places {
                (step(place.before.as_ref(), "‹", format!("The {what} before this one")))
                span { (place.at) " of " (place.of) }
                (step(place.after.as_ref(), "›", format!("The {what} after this one")))
            }
        }
    }
}
