//! Pages, rendered here and complete without script. One file a page; `layout` is their frame, `form` reads what they send.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Redirect},
    routing::{MethodRouter, get, post},
};
use maud::{Markup, html};

use super::{App, assets, guard::Nonce, problem::Problem, session::SignedIn};

mod answer;
mod attachments;
pub(super) mod chat;
pub(super) mod dashboard;
mod days;
mod entry;
mod form;
pub(super) mod history;
pub(super) mod journal;
mod layout;
mod login;
mod parts;
mod say;
pub(super) mod search;
mod settings;
mod task;
pub(super) mod tasks;
mod versions;
mod welcome;
mod wrong;

/// A path, and what makes its handler.
type Page = (&'static str, fn() -> MethodRouter<App>);

/// Every page and form, by path. Tests walk it.
pub(super) static TABLE: &[Page] = &[
    ("/", || get(home)),
    ("/login", || get(login::page).post(login::submit)),
    ("/welcome/{token}", || get(welcome::page).post(welcome::submit)),
    ("/logout", || post(login::leave)),
    ("/dashboard", || get(dashboard::page)),
    ("/tasks", || get(tasks::page).post(tasks::add)),
    ("/tasks/{id}", || get(task::page).post(task::save)),
    ("/tasks/{id}/{act}", || post(tasks::act)),
    ("/reminders/{id}/seen", || post(days::seen)),
    ("/journal", || get(journal::page).post(journal::add)),
    ("/journal/{day}", || get(journal::day)),
    ("/entries/{id}", || get(entry::page).post(entry::save)),
    ("/entries/{id}/delete", || post(entry::remove)),
    ("/journal/{id}/attachments", || post(attachments::add).layer(DefaultBodyLimit::disable())),
    ("/attachments/{id}/delete", || post(attachments::delete)),
    ("/chat", || get(chat::list).post(chat::begin)),
    ("/chat/{id}", || get(chat::page).post(chat::say)),
    ("/chat/{id}/rename", || post(chat::rename)),
    ("/chat/{id}/delete", || post(chat::remove)),
    ("/messages/{id}/{act}", || post(chat::act)),
    ("/proposals/{id}/{answer}", || post(chat::propose)),
    ("/say", || get(say::nothing_said).post(say::submit)),
    ("/answers/{id}", || get(answer::page)),
    ("/undo/{id}", || post(say::undo)),
    ("/search", || get(search::page)),
    ("/history", || get(history::page)),
    ("/settings", || get(settings::page)),
    ("/settings/zone", || post(settings::zone)),
    ("/settings/forget", || post(settings::forget)),
    ("/settings/morning", || post(settings::morning)),
    ("/settings/password", || post(settings::account::password)),
    ("/settings/import", || post(settings::data::import).layer(DefaultBodyLimit::disable())),
    ("/settings/erase", || post(settings::data::ask)),
    ("/settings/erase/cancel", || post(settings::data::cancel)),
    ("/settings/sessions/end-others", || post(settings::account::end_others)),
    ("/settings/sessions/{id}/end", || post(settings::account::end)),
    ("/assets/{version}/{file}", || get(assets::asset)),
];

pub(super) fn routes() -> Router<App> {
    TABLE.iter().fold(Router::new(), |router, (path, handler)| router.route(path, handler()))
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
