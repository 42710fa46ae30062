//! Conversations. The page shows what is whole and follows what is being written; without script it loads itself again.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    form::Sent,
    layout::{self, Frame},
    parts::{self, icon},
};
use crate::{
    accounts::Account,
    chat::{
        self, Conversation, Message,
        shown::{self, Shown},
    },
    once::Reply,
    web::{
        App,
        api::chat::{say_in, stop_answer},
        guard::Nonce,
        problem::Problem,
        request::Params,
        session::Visitor,
    },
};

/// Bound: conversations of the list.
const CONVERSATIONS_MAX: u32 = 100;
/// What the empty page teaches: something to do, something to keep, something to ask.
pub(in crate::web) const STARTERS: [&str; 4] = [
    "remind me to call Anna tomorrow at 5pm",
    "journal: a long walk by the river",
    "what is on my plate today",
    "what can you do",
];

pub(super) async fn list(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
) -> Result<Response, Problem> {
    let account = who.account.id.clone();
    let conversations = app.read(move |db| chat::list(db, &account, CONVERSATIONS_MAX, 0)).await?;
    let frame = Frame { app: &app, who: &who, nonce: &nonce, here: "/chat", title: "Chat" };
    let content = html! {
        div.head { h1 { "Chat" } p { (answered_by(&app)) } }
        div #live {
            @if conversations.is_empty() {
                div.sheet.pad { p { "Ask for anything the box takes, or talk. For example:" } div.part { (starters(&frame)) } }
            } @else {
                ul.talks.sheet { @for one in &conversations { li data-row { (line(one, &who.account)) } } }
            }
        }
    };
    Ok(layout::with_box(&frame, content, ask_form(&frame, "/chat", "Begin a conversation…")).into_response())
}

fn answered_by(app: &App) -> String {
    app.inner.model.as_ref().map_or_else(
        || "Answered by the built-in brain, on this machine.".to_owned(),
        |model| format!("Answered by {model}; what the built-in brain knows, it does itself."),
    )
}

fn starters(frame: &Frame<'_>) -> Markup {
    html! {
        div.examples {
            @for sentence in STARTERS {
                form method="post" action="/chat" { (parts::hidden(frame, "/chat")) button type="submit" name="text" value=(sentence) { (sentence) } }
            }
        }
    }
}

fn line(conversation: &Conversation, who: &Account) -> Markup {
    let at =
        jiff::Timestamp::from_millisecond(conversation.updated_at).map(|at| at.to_zoned(who.time_zone()));
    let when = at
        .map(|at| {
            if at.date() == who.now().date() { at.strftime("%H:%M") } else { at.strftime("%-d %b") }
                .to_string()
        })
        .unwrap_or_default();
    html! { a href={ "/chat/" (conversation.id) } { span { (if conversation.title.is_empty() { "New conversation" } else { &conversation.title }) } time { (when) } } }
}

fn ask_form(frame: &Frame<'_>, action: &str, placeholder: &str) -> Markup {
    html! {
        form.say method="post" action=(action) aria-label="Message" {
            (parts::hidden(frame, action))
            div {
                label.hidden for="say" { "Message" }
                textarea #say name="text" rows="1" placeholder=(placeholder) maxlength="20000" required data-draft=(action) {}
                button.send type="submit" aria-label="Send" { (icon("enter")) }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct From {
    /// The command that was just undone.
    said: Option<String>,
}

pub(super) async fn page(
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
        div.head { p { a href="/chat" { "All conversations" } } h1 { (title) } }
        // Readers of the screen hear one line at the start and one at the end, never a token.
        p.hidden #status role="status" { (undone(&messages, from.said.as_deref())) }
        div.log role="log" aria-live="off" { @for one in &messages { (message(&frame, one, &action, from.said.as_deref())) } }
        @if answering { noscript { p.part { a.button.quiet href=(action) { "Load the answer" } } } }
    };
    Ok(layout::with_box(&frame, content, ask_form(&frame, &action, "Message…")).into_response())
}

/// What a screen reader is told after an undo.
fn undone(messages: &[Shown], said: Option<&str>) -> String {
    let commands = messages.iter().filter_map(|one| one.command.as_ref());
    let past = commands.into_iter().find(|past| past.undone && Some(past.id.as_str()) == said);
    past.map_or_else(String::new, |past| format!("Undone: {}", past.understood))
}

fn message(frame: &Frame<'_>, shown: &Shown, back: &str, said: Option<&str>) -> Markup {
    let Shown { message, command } = shown;
    let stream = (!message.is_over()).then(|| format!("/api/messages/{}/stream", message.id));
    html! {
        article.msg.user[message.role == "user"].assistant[message.role == "assistant"] id={ "m-" (message.id) } data-stream=[stream] {
            span.text { (message.text) }
            @if message.role == "assistant" {
                div.after {
                    @if let Some(past) = command { (parts::card(frame, past, back, said == Some(past.id.as_str()))) }
                    (ending(frame, message, back))
                }
            }
        }
    }
}

fn ending(frame: &Frame<'_>, message: &Message, back: &str) -> Markup {
    html! {
        footer {
            @match message.status.as_str() {
                "stopped" => "stopped",
                "failed" => "no answer came; ask again",
                "done" => (message.by.as_deref().unwrap_or_default()),
                _ => form.stop method="post" action={ "/messages/" (message.id) "/stop" } { (parts::hidden(frame, back)) button.quiet type="submit" { "Stop" } },
            }
        }
    }
}

/// A new conversation with its first message.
pub(super) async fn begin(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let text = sent.text("text").to_owned();
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let new = chat::create(tx, &who.id, "")?;
        chat::say(tx, &who.id, &new.id, &text)?;
        Ok(Reply::new(303, serde_json::json!({"to": format!("/chat/{}", new.id)})))
    };
    let reply = app.change(&sent.who.account, sent.key.clone(), work).await?;
    app.inner.wake.notify_one();
    Ok(Redirect::to(reply.body.get("to").and_then(|to| to.as_str()).unwrap_or("/chat")).into_response())
}

pub(super) async fn say(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    say_in(&app, &sent.who.account, id, sent.text("text").to_owned(), sent.key.clone()).await?;
    Ok(sent.back(None).into_response())
}

pub(super) async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    stop_answer(&app, &sent.who.account, id, sent.key.clone()).await?;
    Ok(sent.back(None).into_response())
}
