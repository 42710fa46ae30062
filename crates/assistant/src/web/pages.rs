//! Pages, rendered here and complete without script. One file a page; `layout` is their frame, `form` reads what they send.

use axum::{
    Router,
    response::{IntoResponse, Redirect},
    routing::{get, post},
};
use maud::{Markup, html};

use super::{App, assets, guard::Nonce, problem::Problem, session::SignedIn};

pub(super) mod chat;
mod dashboard;
mod form;
mod journal;
mod layout;
mod login;
mod parts;
mod say;
mod settings;
mod tasks;
mod welcome;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login::page).post(login::submit))
        .route("/welcome/{token}", get(welcome::page).post(welcome::submit))
        .route("/logout", post(login::leave))
        .route("/dashboard", get(dashboard::page))
        .route("/tasks", get(tasks::page).post(tasks::add))
        .route("/tasks/{id}/{act}", post(tasks::act))
        .route("/journal", get(journal::page).post(journal::add))
        .route("/chat", get(chat::list).post(chat::begin))
        .route("/chat/{id}", get(chat::page).post(chat::say))
        .route("/chat/{id}/rename", post(chat::rename))
        .route("/chat/{id}/delete", post(chat::remove))
        .route("/messages/{id}/{act}", post(chat::act))
        .route("/proposals/{id}/{answer}", post(chat::propose))
        .route("/say", get(say::nothing_said).post(say::submit))
        .route("/undo/{id}", post(say::undo))
        .route("/settings", get(settings::page))
        .route("/settings/zone", post(settings::zone))
        .route("/settings/password", post(settings::password))
        .route("/assets/{version}/{file}", get(assets::asset))
}

async fn home(who: Result<SignedIn, Problem>) -> impl IntoResponse {
    Redirect::to(if who.is_ok() { "/dashboard" } else { "/login" })
}

/// "a name has …" as a sentence of its own.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A page for what went wrong, with the id that finds it in the log.
pub(super) fn problem(problem: &Problem, request_id: &str, nonce: &Nonce) -> Markup {
    let title = problem.status.canonical_reason().unwrap_or("Error");
    layout::bare(
        nonce,
        title,
        html! {
            main.login {
                div.sheet.pad {
                    div.head { h1 { (title) } p { (problem.detail) } }
                    p { a.button href="/dashboard" { "To the dashboard" } }
                    p { small { "Request " (request_id) } }
                }
            }
        },
    )
}
