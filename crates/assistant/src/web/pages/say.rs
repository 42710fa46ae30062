//! What is said in the box: it is done once, and leads to its answer's page, to the conversation that it began, or back
//! to where one was.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use maud::html;
use serde_json::json;

use super::{
    answer,
    form::Sent,
    layout::{self, Frame},
    parts, sentence,
    wrong::Wrong,
};
use crate::{
    accounts::Account,
    brain::{
        Dates,
        kept::{self, Kept},
        say::Spoken,
    },
    ids,
    once::Reply,
    web::{
        App,
        api::say::{self as api, Heard},
        guard::Nonce,
        problem::Problem,
    },
};

/// Whoever types the address of the form is nowhere.
pub(super) async fn nothing_said() -> Redirect {
    Redirect::to("/dashboard")
}

pub(super) async fn submit(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    let heard = spoken(&sent).and_then(|spoken| Heard::new(&app, spoken));
    let done = match heard {
        Ok(heard) => said(&app, &sent, heard).await,
        Err(problem) => Err(problem),
    };
    let reply = match done {
        Ok(reply) => reply,
        Err(problem) => return refused(&app, &nonce, &sent, problem),
    };
    // Another release's answer to the same form says no more than what it did.
    let to = reply.body.get("to").and_then(|to| to.as_str()).unwrap_or("/history");
    Ok(Redirect::to(to).into_response())
}

/// Once for the form's key, and once for the question that it answers.
async fn said(app: &App, sent: &Sent, heard: Heard) -> Result<Reply, Problem> {
    let back = sent.origin().to_owned();
    let question = Some(sent.text("question").to_owned()).filter(|question| !question.is_empty());
    // With script the page that one was on shows what was done.
    let stays = sent.text("stay") == "yes";
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let id = ids::new_id();
        if let Some(question) = question
            && let Some(earlier) = kept::choose(tx, &who.id, &question, &id)?
        {
            return Ok(Reply::new(303, json!({"to": answer::address(&earlier)})));
        }
        let said = heard.answer(tx, who, id.clone())?;
        let to = match (&said.talk, &said.undo_id) {
            (Some(talk), _) => format!("/chat/{}", talk.conversation_id),
            (None, Some(done)) if stays => format!("{back}?said={done}#said"),
            _ => answer::address(&id),
        };
        let mut body = api::shape(&said)?;
        body["to"] = to.into();
        let sentence = heard.spoken.text.clone();
        kept::keep(tx, &who.id, &Kept { id, sentence, said, back, chosen: None })?;
        Ok(Reply::new(303, body))
    };
    let reply = app.change(&sent.who.account, sent.key.clone(), work).await?;
    app.inner.wake.notify_one();
    Ok(reply)
}

fn spoken(sent: &Sent) -> Result<Spoken, Problem> {
    let dates = if sent.text("dates") == "keep" { Dates::Keep } else { Dates::Read };
    let teaches = Some(sent.text("teaches")).filter(|said| !said.is_empty()).map(api::lesson).transpose()?;
    Ok(Spoken { text: sent.text("text").to_owned(), dates, teaches, waited: sent.waited()? })
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

pub(super) async fn undo(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    match api::take_back(&app, &sent.who.account, id.clone(), sent.key.clone()).await {
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
