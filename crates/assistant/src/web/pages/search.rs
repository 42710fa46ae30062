//! The search over everything: what was looked for, in which kind, and what was found.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    journal::encode,
    layout::{self, Frame},
    parts,
};
use crate::{
    command::words,
    search::{self, Hit, Kind},
    web::{App, guard::Nonce, problem::Problem, request::Params, session::Visitor},
};

/// Bound: hits of one page.
const HITS_MAX: u32 = 30;

/// What the page teaches before anything is looked for.
pub(in crate::web) const STARTERS: [&str; 3] = [
    "find Anna everywhere",
    "find everything about the river in my journal",
    "what did I write about the boiler",
];

#[derive(Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    q: String,
    kind: Option<Kind>,
    #[serde(default)]
    after: u32,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    let Shown { q: query, kind, after } = shown;
    let (account, wanted) = (who.account.id.clone(), query.clone());
    let mut hits =
        app.read(move |db| search::find(db, &account, &wanted, kind, (HITS_MAX + 1, after))).await?;
    let more = hits.len() > HITS_MAX as usize;
    hits.truncate(HITS_MAX as usize);
    let today = who.account.now().date();
    let frame = Frame::new(&app, &who, &nonce, "/search", "Search");
    let content = html! {
        div.head { h1 { "Search" } p { "Everything that you wrote: journal, tasks, conversations, names of files." } }
        form.fields method="get" action="/search" role="search" {
            input type="search" name="q" value=(query) placeholder="Words, or how the last one begins" aria-label="Words" data-max="500" required;
            @if let Some(kind) = kind { input type="hidden" name="kind" value=(kind.word()); }
            button type="submit" { "Search" }
        }
        @if query.trim().is_empty() {
            section.part.sheet.pad {
                p { "All words have to be there, in any order; “cafe” finds “café”, “gard” finds “garden”. The box searches too:" }
                div.part { (parts::examples(&frame, &STARTERS)) }
            }
        } @else {
            (kinds(&query, kind))
            section.part aria-label="Found" {
                @if hits.is_empty() {
                    p.empty role="status" { "Nothing has all these words. Fewer words find more, and the last one may be only begun." @if kind.is_some() { " In another kind there may be something." } }
                } @else {
                    ul.talks.hits.sheet { @for one in &hits { li data-row { (hit(one, &frame, today)) } } }
                }
            }
            @if more { (parts::further(&format!("{}&after={}", address(&query, kind), after.saturating_add(HITS_MAX)), "More")) }
        }
    };
    Ok(layout::page(&frame, content).into_response())
}

fn address(query: &str, kind: Option<Kind>) -> String {
    let kind = kind.map_or_else(String::new, |kind| format!("&kind={}", kind.word()));
    format!("/search?q={}{kind}", encode(query))
}

fn kinds(query: &str, here: Option<Kind>) -> Markup {
    let link = |kind: Option<Kind>, label: &str| {
        html! { a.tag href=(address(query, kind)) aria-current=[(kind == here).then_some("true")] { (label) } }
    };
    html! {
        nav.tags aria-label="Kinds" {
            (link(None, "All"))
            @for kind in Kind::ALL { (link(Some(kind), plural(kind))) }
        }
    }
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Entry => "Journal",
        Kind::Task => "Tasks",
        Kind::Conversation => "Conversations",
        Kind::Message => "Messages",
        Kind::Attachment => "Files",
    }
}

fn hit(hit: &Hit, frame: &Frame<'_>, today: Date) -> Markup {
    let day = hit.day.unwrap_or_else(|| frame.who.account.local(hit.at).date());
    html! {
        a href=(hit.address) {
            span {
                @for piece in &hit.snippet { @if piece.found { mark { (piece.text) } } @else { (piece.text) } }
            }
            time { (hit.kind.label()) ", " (words::show_day(day, today)) }
        }
    }
}
