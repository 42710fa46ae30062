//! Pages.

use axum::Router;

use super::{App, guard::Nonce, problem::Problem};

pub(super) fn routes() -> Router<App> {
    Router::new()
}

pub(super) fn problem(problem: &Problem, request_id: &str, _nonce: &Nonce) -> String {
    format!("{} {request_id}", problem.detail)
}
