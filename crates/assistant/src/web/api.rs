//! Handlers of the interface for programs, a file for each subject. Shapes as in `API.md`.

use http::StatusCode;
use serde::Deserialize;

use super::problem::Problem;

pub(super) mod account;
pub(super) mod attachments;
pub(super) mod branch;
pub(super) mod chat;
pub(super) mod data;
pub(super) mod days;
pub(super) mod erase;
mod etag;
pub(super) mod journal;
pub(super) mod meta;
pub(super) mod say;
pub(super) mod search;
pub(super) mod sessions;
pub(super) mod socket;
pub(super) mod stream;
pub(super) mod tasks;
pub(super) mod tus;

/// Bound: rows of one page.
const PAGE_MAX: u32 = 500;

/// `?limit=&after=`; `after` is the `next` of the page before.
#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<u32>,
    after: Option<u32>,
}

impl Page {
    fn window(&self) -> (u32, u32) {
        (self.limit.unwrap_or(100).clamp(1, PAGE_MAX), self.after.unwrap_or(0))
    }
}

/// Rows were asked for with one more than fits: if it came, there is a next page.
fn next_of<T>(rows: &mut Vec<T>, (limit, offset): (u32, u32)) -> Option<String> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    more.then(|| (offset + limit).to_string())
}

fn bad_query(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
