//! The list of conversations, and what is done with them. `talk` is the page of one.

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
    wrong::Wrong,
};
use crate::{
    accounts::Account,
    chat::{self, Conversation, branch, window::Part},
    command::{Command, undo},
    once::Reply,
    tools,
    web::{
        App,
        api::{
            branch::{choose_way, decide},
            chat::{Words, answering, done, say_in, stop_answer},
        },
        guard::Nonce,
        problem::{Problem, no_such_page},
        request::Params,
        session::{SignedIn, Visitor},
    },
};

mod talk;

use talk::View;
pub(super) use talk::page;

/// Bound: conversations of one page of the list.
const CONVERSATIONS_MAX: u32 = 50;
/// What the empty page teaches: something to do, something to keep, something to ask.
pub(in crate::web) const STARTERS: [&str; 4] = [
    "remind me to call Anna tomorrow at 5pm",
    "journal: a long walk by the river",
    "what is on my plate today",
    "what can you do",
];

#[derive(Default, Deserialize)]
pub(super) struct Listed {
    /// The command that was just done or undone.
    said: Option<String>,
    #[serde(default)]
    after: u32,
}

pub(super) async fn list(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(listed): Params<Listed>,
) -> Result<Response, Problem> {
    show(&app, &who, &nonce, listed, None).await
}

/// The list; with `wrong` as the answer to a conversation that was to begin.
async fn show(
    app: &App,
    who: &SignedIn,
    nonce: &Nonce,
    Listed { said, after }: Listed,
    wrong: Option<&Wrong>,
) -> Result<Response, Problem> {
    let account = who.account.clone();
    let query = move |db: &rusqlite::Connection| {
        let said = said.map(|id| undo::get(db, &account, &id)).transpose()?.flatten();
        Ok((chat::list(db, &account.id, CONVERSATIONS_MAX + 1, after)?, said))
    };
    let (mut conversations, said) = app.read(query).await?;
    let more = conversations.len() > CONVERSATIONS_MAX as usize;
    conversations.truncate(CONVERSATIONS_MAX as usize);
    let frame = Frame::new(app, who, nonce, "/chat", "Chat").answering(wrong);
    let content = html! {
        div.head { h1 { "Chat" } p { (answered_by(app)) } }
        (parts::chip(&frame, said.as_ref()))
        div #live {
            @if conversations.is_empty() && after > 0 {
                p.empty { "No conversation is older. " a href="/chat" { "The last ones" } }
            } @else if conversations.is_empty() {
                div.sheet.pad { p { "Ask for anything the box takes, or talk. For example:" } div.part { (starters(&frame, "/chat")) } }
            } @else {
                (talks(&frame, &conversations))
            }
            @if more { (parts::further(&format!("/chat?after={}", after.saturating_add(CONVERSATIONS_MAX)), "Older")) }
        }
    };
    let ask = ask_form(&frame, "/chat", "Begin a conversation…");
    Ok(Wrong::respond(wrong, layout::with_box(&frame, content, ask)))
}

fn answered_by(app: &App) -> String {
    let names: Vec<&str> = app.inner.models.iter().map(|model| model.name.as_str()).collect();
    match names.as_slice() {
        [] => "Answered by the built-in brain, on this machine.".to_owned(),
        [first, rest @ ..] => {
            let others: String = rest.iter().map(|name| format!(", else by {name}")).collect();
            format!("Answered by {first}{others}; what the built-in brain knows, it does itself.")
        }
    }
}

fn starters(frame: &Frame<'_>, action: &str) -> Markup {
    html! {
        div.examples {
            @for sentence in STARTERS {
                form method="post" action=(action) { (parts::hidden(frame, action)) button type="submit" name="text" value=(sentence) { (sentence) } }
            }
        }
    }
}

/// Conversations by name, the last one first.
pub(super) fn talks(frame: &Frame<'_>, conversations: &[Conversation]) -> Markup {
    html! { ul.talks.sheet { @for one in conversations { li data-row { (line(one, &frame.who.account)) } } } }
}

/// The beginning of a conversation, on another page.
pub(super) fn ask_here(frame: &Frame<'_>) -> Markup {
    html! {
        form.ask method="post" action="/chat" {
            (parts::hidden(frame, "/chat"))
            input name="text" aria-label="Begin a conversation" placeholder="Begin a conversation…" data-max=(chat::TEXT_CHARS_MAX) autocomplete="off" required;
            button.send type="submit" aria-label="Send" { (icon("enter")) }
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
    let mark = frame.mark(action, "text");
    html! {
        form.say method="post" action=(action) aria-label="Message" data-queue {
            (parts::hidden(frame, action))
            output.heard for="say" {}
            (frame.error(action, "text"))
            div {
                label.hidden for="say" { "Message" }
                textarea #say name="text" rows="1" placeholder=(placeholder) data-max=(chat::TEXT_CHARS_MAX) required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark] data-draft=(action) { "\n" (frame.typed(action, "text", "")) }
                (parts::voice())
                button.send type="submit" aria-label="Send" { (icon("enter")) }
            }
        }
    }
}

/// A new conversation with its first message.
pub(super) async fn begin(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let text = sent.text("text").to_owned();
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let (conversation, _) = chat::begin_with(tx, &who.id, &text)?;
        Ok(Reply::new(303, serde_json::json!({"to": format!("/chat/{conversation}")})))
    };
    let reply = match app.change(&sent.who.account, sent.key.clone(), work).await {
        Ok(reply) => reply,
        Err(error) => {
            let wrong = sent.wrong("text", error)?;
            return show(&app, &sent.who, &nonce, Listed::default(), Some(&wrong)).await;
        }
    };
    app.inner.wake.notify_one();
    Ok(Redirect::to(reply.body.get("to").and_then(|to| to.as_str()).unwrap_or("/chat")).into_response())
}

/// Where in a conversation a form stands, and where its answer is shown.
struct Place<'a> {
    conversation: &'a str,
    /// The message that it is about, if it is about one.
    message: Option<&'a str>,
    /// What is wrong with the form is told here.
    field: &'static str,
}

/// Back to where the form stood, or the conversation with what is wrong.
async fn settle(
    app: &App,
    nonce: &Nonce,
    sent: &Sent,
    place: Place<'_>,
    done: Result<Reply, Problem>,
) -> Result<Response, Problem> {
    match done {
        Ok(_) => Ok(sent.back(None).into_response()),
        Err(problem) => {
            let wrong = sent.wrong(place.field, problem)?;
            let part = place.message.map_or(Part::Last, |id| Part::Around(id.to_owned()));
            let view = View { part, said: None, wrong: Some(&wrong) };
            talk::show(app, &sent.who, nonce, place.conversation, view).await
        }
    }
}

/// Back to the message that the form was about, however long ago it was said.
fn to_message(sent: &Sent, message: &str) -> Response {
    Redirect::to(&format!("{}?at={message}#m-{message}", sent.origin())).into_response()
}

pub(super) async fn say(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let words = Words::own(sent.text("text"));
    let done = say_in(&app, &sent.who.account, id.clone(), words, sent.key.clone()).await;
    settle(&app, &nonce, &sent, Place { conversation: &id, message: None, field: "text" }, done).await
}

pub(super) async fn rename(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let command = Command::RenameConversation { id: id.clone(), title: sent.text("title").to_owned() };
    let done = done(&app, &sent.who.account, command, sent.key.clone()).await;
    settle(&app, &nonce, &sent, Place { conversation: &id, message: None, field: "title" }, done).await
}

/// Back to the list, where it can be undone.
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let command = Command::DeleteConversation { id };
    let reply = done(&app, &sent.who.account, command, sent.key.clone()).await?;
    let undo_id = reply.body.get("undo_id").and_then(|id| id.as_str()).map(str::to_owned);
    Ok(sent.back(undo_id.as_deref()).into_response())
}

/// Another answer, other words, the rest, another branch.
pub(super) async fn act(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path((id, act)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let (who, key, text) = (sent.who.account.clone(), sent.key.clone(), sent.text("text").to_owned());
    let (account, wanted) = (who.id.clone(), id.clone());
    let talk = app.read(move |db| Ok(chat::message(db, &account, &wanted)?.conversation_id)).await?;
    let message = id.clone();
    let done = match act.as_str() {
        "stop" => stop_answer(&app, &who, id, key).await,
        "retry" => answering(&app, &who, key, move |tx, who| branch::retry(tx, who, &id)).await,
        "edit" => answering(&app, &who, key, move |tx, who| branch::edit(tx, who, &id, &text)).await,
        "continue" => answering(&app, &who, key, move |tx, who| branch::go_on(tx, who, &id)).await,
        "choose" => choose_way(&app, &who, id, key).await,
        _ => return Err(no_such_page().await),
    };
    if act == "choose" && done.is_ok() {
        return Ok(to_message(&sent, &message));
    }
    let place = Place { conversation: &talk, message: Some(&message), field: "text" };
    settle(&app, &nonce, &sent, place, done).await
}

pub(super) async fn propose(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path((id, answer)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let yes = match answer.as_str() {
        "accept" => true,
        "decline" => false,
        _ => return Err(no_such_page().await),
    };
    let (account, wanted) = (sent.who.account.id.clone(), id.clone());
    let of_call = move |db: &rusqlite::Connection| {
        let message = tools::calls::get(db, &account, &wanted)?.message;
        chat::message(db, &account, &message)
    };
    let message = app.read(of_call).await?;
    let done = decide(&app, &sent.who.account, id, yes, sent.key.clone()).await;
    if done.is_ok() {
        return Ok(to_message(&sent, &message.id));
    }
    let place = Place { conversation: &message.conversation_id, message: Some(&message.id), field: "answer" };
    settle(&app, &nonce, &sent, place, done).await
}
