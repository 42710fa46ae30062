//! One conversation. The page shows what is whole and follows what is being written; without script it loads itself
//! again. Every branch, retry and edit is a form.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{ask_form, starters};
use crate::{
    accounts::Account,
    brain::say::BUILT_IN,
    chat::{
        self, Message,
        branch::Place,
        shown::{self, Proposal, Shown},
        window::{Part, Window},
    },
    command::undo::Past,
    error::Error,
    tools,
    web::{
        App,
        guard::Nonce,
        markdown,
        pages::{
            layout::{self, Frame},
            parts::{self, icon},
            wrong::Wrong,
        },
        problem::Problem,
        request::Params,
        session::{SignedIn, Visitor},
    },
};

/// What is done with an answer, by the last part of its forms' addresses.
const ACTS: [&str; 5] = ["stop", "continue", "retry", "choose", "edit"];

/// Bound: messages of one page.
const MESSAGES_MAX: u32 = 50;

#[derive(Default, Deserialize)]
pub(in crate::web::pages) struct From {
    /// The command that was just done or undone.
    said: Option<String>,
    /// A message that is to be on the page; one that stands behind it; one that stands before it.
    at: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

impl From {
    fn part(&self) -> Part {
        let parts = [
            (&self.at, Part::Around as fn(String) -> Part),
            (&self.before, Part::Before),
            (&self.after, Part::After),
        ];
        let named = parts.into_iter().find_map(|(id, part)| id.clone().map(part));
        named.unwrap_or(Part::Last)
    }
}

/// What a page of a conversation shows.
#[derive(Default)]
pub(super) struct View<'a> {
    pub(super) part: Part,
    /// The command that was just done or undone.
    pub(super) said: Option<String>,
    /// The form that was not carried out.
    pub(super) wrong: Option<&'a Wrong>,
}

pub(in crate::web::pages) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    Params(from): Params<From>,
) -> Result<Response, Problem> {
    let view = View { part: from.part(), said: from.said, wrong: None };
    show(&app, &who, &nonce, &id, view).await
}

pub(super) async fn show(
    app: &App,
    who: &SignedIn,
    nonce: &Nonce,
    id: &str,
    View { part, said, wrong }: View<'_>,
) -> Result<Response, Problem> {
    let (account, wanted, done) = (who.account.clone(), id.to_owned(), said.clone());
    let query = move |db: &rusqlite::Connection| {
        let conversation = chat::get(db, &account.id, &wanted)?;
        let by = done.map(|done| done_by(db, &account, &wanted, &done)).transpose()?.flatten();
        let part = by.map_or(part, Part::Around);
        Ok((conversation, shown::window(db, &account, &wanted, &part, MESSAGES_MAX)?))
    };
    let (conversation, window) = app.read(query).await?;
    let (messages, is_new) = (&window.messages, conversation.leaf.is_empty());
    let title = if conversation.title.is_empty() { "Chat".to_owned() } else { conversation.title };
    let frame = Frame::new(app, who, nonce, "/chat", &title).answering(wrong);
    let action = format!("/chat/{id}");
    let answering = messages.iter().any(|one| !one.message.is_over());
    // What is said from now on belongs below what is shown only where that is the end.
    let is_end = !window.later && window.aside.is_none();
    let content = html! {
        div.head { p { a href="/chat" { "All conversations" } } h1 { (title) } (keep(&frame, &action)) }
        @if let Some(wrong) = wrong.filter(|wrong| !wrong.is_about(id) && !has(messages, wrong)) { (wrong.told()) }
        // Readers of the screen hear one line at the start and one at the end, never a token.
        p.hidden #status role="status" { (undone(messages, said.as_deref())) }
        @if let Some(leaf) = &window.aside { (aside(&frame, leaf, &action)) }
        (earlier(&window, &action))
        div.log role="log" aria-live="off" data-follow=[is_end.then_some(&action)] { @for (n, one) in messages.iter().enumerate() { (message(&frame, one, messages.get(n + 1), &action, said.as_deref())) } }
        (later(&window, &action))
        @if is_new { div.sheet.pad.teach { p { "Nothing was said here yet. For example:" } div.part { (starters(&frame, &action)) } } }
        @if answering { noscript { p.part { a.button.quiet href=(action) { "Load the answer" } } } }
    };
    let ask = ask_form(&frame, &action, "Message…");
    Ok(Wrong::respond(wrong, layout::with_box(&frame, content, ask)))
}

/// The message of this conversation that did the command `id`.
fn done_by(
    db: &rusqlite::Connection,
    who: &Account,
    conversation: &str,
    id: &str,
) -> Result<Option<String>, Error> {
    let message = match tools::calls::get(db, &who.id, id) {
        Ok(called) => called.message,
        Err(Error::NotFound(_)) => id.to_owned(),
        Err(error) => return Err(error),
    };
    match chat::message(db, &who.id, &message) {
        Ok(message) => Ok(Some(message).filter(|one| one.conversation_id == conversation).map(|one| one.id)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The way to what was said before the first message of the page, which leads to the end of that, where reading goes on.
fn earlier(window: &Window<Shown>, action: &str) -> Markup {
    let first = window.messages.first().filter(|_| window.earlier).map(|first| &first.message);
    html! {
        @if let Some(first) = first {
            p.part.earlier { a.button.quiet href={ (action) "?before=" (first.id) "#m-" (first.parent_id) } { "Earlier messages" } }
        }
    }
}

fn later(window: &Window<Shown>, action: &str) -> Markup {
    let last = window.messages.last().filter(|_| window.later).map(|last| &last.message);
    html! {
        @if let Some(last) = last {
            p.part.offers {
                a.button.quiet href={ (action) "?after=" (last.id) } { "Later messages" }
                a.button.quiet href=(action) { "To the end" }
            }
        }
    }
}

/// What is shown is no part of what is read now; one press makes it that.
fn aside(frame: &Frame<'_>, leaf: &str, action: &str) -> Markup {
    html! {
        section.part.sheet.pad {
            p { "This is another branch of the conversation than the one that is read now." }
            div.offers {
                form method="post" action={ "/messages/" (leaf) "/choose" } {
                    (parts::hidden(frame, action))
                    button type="submit" { "Read this branch" }
                }
                a.button.quiet href=(action) { "To the other one" }
            }
        }
    }
}

/// The conversation's name, and its end.
fn keep(frame: &Frame<'_>, action: &str) -> Markup {
    let rename = format!("{action}/rename");
    let mark = frame.mark(&rename, "title");
    html! {
        details.keep open[mark.is_some()] {
            summary { "Rename or delete" }
            div.sheet.pad {
                form method="post" action=(rename) {
                    (parts::hidden(frame, action))
                    div.fields {
                        input name="title" value=(frame.typed(&rename, "title", frame.title)) aria-label="Title" data-max=(chat::TITLE_CHARS_MAX) autocomplete="off" required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark];
                        button type="submit" { "Rename" }
                    }
                    (frame.error(&rename, "title"))
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

fn message(frame: &Frame<'_>, shown: &Shown, next: Option<&Shown>, back: &str, said: Option<&str>) -> Markup {
    // The rest of an answer that broke off follows it at once.
    let goes_on = next.is_some_and(|next| next.message.is_answer());
    let message = &shown.message;
    let stream = (!message.is_over()).then(|| format!("/api/messages/{}/stream", message.id));
    html! {
        article.msg.user[!message.is_answer()].assistant[message.is_answer()] id={ "m-" (message.id) } data-stream=[stream] {
            (text(message))
            @if message.is_answer() {
                div.after {
                    @for past in done(shown) { (parts::card(frame, past, back, said == Some(past.id.as_str()))) }
                    @for proposal in &shown.proposals { (proposed(frame, proposal, back)) }
                    (choices(frame, shown, back))
                    (ending(frame, shown, goes_on, back))
                    (refused(frame, shown))
                }
            } @else {
                @for source in &shown.sources { small.source { (source.origin) @if !source.name.is_empty() { ": " (source.name) } } }
                (question(frame, shown, back))
                (refused(frame, shown))
            }
        }
    }
}

/// What answers the question; a press says it, as words that are typed do.
fn choices(frame: &Frame<'_>, shown: &Shown, back: &str) -> Markup {
    let key = format!("choice-{}", shown.message.id);
    html! {
        @if !shown.choices.is_empty() {
            div.offers role="group" aria-label=(shown.message.text) {
                @for choice in &shown.choices {
                    form method="post" action=(back) {
                        (parts::hidden_under(frame, back, &key))
                        input type="hidden" name="text" value=(choice.label);
                        button.quiet type="submit" { (choice.label) }
                    }
                }
            }
            @if shown.choices.iter().any(|choice| choice.teaches.is_some()) {
                p { small { "The answer is remembered. The settings forget it." } }
            }
        }
    }
}

/// Whether the form that was sent is still on the page: another branch may be read by now.
fn has(messages: &[Shown], wrong: &Wrong) -> bool {
    let is_of = |one: &Shown| {
        wrong.is_about(&one.message.id) || one.proposals.iter().any(|proposal| wrong.is_about(&proposal.id))
    };
    messages.iter().any(is_of)
}

/// Why what was asked of this message was not done.
fn refused(frame: &Frame<'_>, shown: &Shown) -> Markup {
    // A question's own form tells what is wrong with its words.
    let acts = ACTS.into_iter().filter(|act| shown.message.is_answer() || *act != "edit");
    let acts = acts.map(|act| (format!("/messages/{}/{act}", shown.message.id), "text"));
    let decided = |proposal: &Proposal| {
        ["accept", "decline"].map(|answer| (format!("/proposals/{}/{answer}", proposal.id), "answer"))
    };
    let forms = acts.chain(shown.proposals.iter().flat_map(decided));
    html! { @for (action, field) in forms { (frame.error(&action, field)) } }
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

fn ending(frame: &Frame<'_>, shown: &Shown, goes_on: bool, back: &str) -> Markup {
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
                @if message.interrupted && !goes_on { (button(frame, &message.id, "continue", "Continue", back)) }
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
    let edit = format!("/messages/{}/edit", message.id);
    let mark = frame.mark(&edit, "text");
    html! {
        footer {
            details.edit open[mark.is_some()] {
                summary { "Edit" }
                form method="post" action=(edit) {
                    (parts::hidden(frame, back))
                    textarea name="text" rows="3" data-max=(chat::TEXT_CHARS_MAX) aria-label="The question in other words" required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark] { "\n" (frame.typed(&edit, "text", &message.text)) }
                    (frame.error(&edit, "text"))
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
