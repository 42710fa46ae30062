//! A form that was not carried out: what is wrong is told at its field, on the page where the form stands, with all that
//! was typed. Nobody has to go back and write it again.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{form::Sent, layout::Frame, sentence};
use crate::web::problem::Problem;

/// Names the words on the page, for whoever hears the field. A page answers one form, so it holds this once.
const ID: &str = "wrong";

/// What is wrong with one form.
pub(super) struct Wrong {
    problem: Problem,
    /// Where the form is sent to, which tells it from the other forms of its page.
    action: String,
    field: &'static str,
    typed: BTreeMap<String, String>,
}

impl Wrong {
    /// # Errors
    /// The problem, where it is ours: that has a page of its own, with the id that finds it in the log.
    pub(super) fn new(
        action: &str,
        field: &'static str,
        problem: impl Into<Problem>,
        typed: BTreeMap<String, String>,
    ) -> Result<Self, Problem> {
        let problem = problem.into();
        match problem.status {
            StatusCode::INTERNAL_SERVER_ERROR => Err(problem),
            _ => Ok(Self { problem, action: action.to_owned(), field, typed }),
        }
    }

    /// With the status of what is wrong.
    pub(super) fn respond(wrong: Option<&Self>, page: Markup) -> Response {
        (wrong.map_or(StatusCode::OK, |wrong| wrong.problem.status), page).into_response()
    }
}

impl Sent {
    /// What is wrong with this form.
    ///
    /// # Errors
    /// As [`Wrong::new`].
    pub(super) fn wrong(&self, field: &'static str, problem: impl Into<Problem>) -> Result<Wrong, Problem> {
        Wrong::new(&self.path, field, problem, self.fields.clone())
    }
}

impl Frame<'_> {
    fn wrong_with(&self, action: &str) -> Option<&Wrong> {
        self.wrong.filter(|wrong| wrong.action == action)
    }

    /// Whether the form that is sent to `action` comes back.
    pub(super) fn is_wrong(&self, action: &str) -> bool {
        self.wrong_with(action).is_some()
    }

    /// What names the words at a field that is wrong; the field gets the focus and says that it is invalid.
    pub(super) fn mark(&self, action: &str, field: &str) -> Option<&'static str> {
        self.wrong_with(action).filter(|wrong| wrong.field == field).map(|_| ID)
    }

    /// The words at the field; nothing where nothing is wrong with it.
    pub(super) fn error(&self, action: &str, field: &str) -> Markup {
        let wrong = self.wrong_with(action).filter(|wrong| wrong.field == field);
        html! { @if let Some(wrong) = wrong { (wrong.told()) } }
    }

    /// What was typed into the field, else what stands there `otherwise`.
    pub(super) fn typed<'v>(&'v self, action: &str, field: &str, otherwise: &'v str) -> &'v str {
        let typed = self.wrong_with(action).and_then(|wrong| wrong.typed.get(field));
        typed.map_or(otherwise, String::as_str)
    }
}

impl Wrong {
    /// Whether the form was one of the thing with this id.
    pub(super) fn is_about(&self, id: &str) -> bool {
        self.action.split('/').any(|part| part == id)
    }

    /// The words, where their form is not on the page any more.
    pub(super) fn told(&self) -> Markup {
        html! { p.error id=(ID) role="alert" { (self.words()) } }
    }

    fn words(&self) -> String {
        let told = sentence(self.problem.detail.trim_end_matches('.'));
        let is_told = ["Nothing", "try again"].iter().any(|words| told.contains(words));
        if is_told { told } else { format!("{told} Nothing was changed.") }
    }
}
