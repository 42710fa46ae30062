//! The journal: a page to write on for each day, the newest entries, those of a tag, and those that have some words.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    attachments::below as files_below,
    dashboard::{self, said},
    entry::of_day,
    form::Sent,
    layout::{self, Frame},
    parts, tasks,
    wrong::Wrong,
};
use crate::{
    accounts::Account,
    attachments::{self, Attachment},
    command::{Command, words},
    error::Error,
    journal::{self, Entry, Filter},
    tasks::tags,
    web::{
        App,
        guard::Nonce,
        markdown,
        problem::{Problem, no_such_page},
        request::Params,
        session::{SignedIn, Visitor},
    },
};

const LIST: &str = "/journal";
/// Bound: characters of an entry in the list; its day has all of them.
const SHOWN_CHARS_MAX: usize = 1_200;
/// Bound: entries of one page.
const ENTRIES_MAX: u32 = 50;

#[derive(Default, Deserialize)]
pub(super) struct Shown {
    said: Option<String>,
    q: Option<String>,
    tag: Option<String>,
    /// To go to its page.
    day: Option<String>,
    after: Option<u32>,
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    if let Some(day) = shown.day.as_deref().and_then(|day| day.parse().ok()) {
        return Ok(Redirect::to(&of_day(day)).into_response());
    }
    show(&app, &who, &nonce, shown, None).await
}

/// The page; with `wrong` as the answer to what was to be written.
async fn show(
    app: &App,
    who: &SignedIn,
    nonce: &Nonce,
    shown: Shown,
    wrong: Option<&Wrong>,
) -> Result<Response, Problem> {
    let account = who.account.id.clone();
    let query = shown.q.as_deref().map(str::trim).filter(|query| !query.is_empty()).map(str::to_owned);
    let tag = shown.tag.map(|tag| tag.trim_start_matches('#').to_lowercase()).filter(|tag| !tag.is_empty());
    let filter = Filter { query: query.clone(), tag: tag.clone(), ..Filter::default() };
    let after = shown.after.unwrap_or(0);
    let (mut entries, files, tags) = app
        .read(move |db| {
            let entries = journal::list(db, &account, &filter, ENTRIES_MAX + 1, after)?;
            let files = files_of(db, &account, &entries)?;
            Ok((entries, files, journal::tags_in_use(db, &account)?))
        })
        .await?;
    let more = entries.len() > ENTRIES_MAX as usize;
    entries.truncate(ENTRIES_MAX as usize);
    let said = said(app, &who.account, shown.said).await;
    let frame = Frame::new(app, who, nonce, "/journal", "Journal").answering(wrong);
    let today = who.account.now().date();
    let is_part = query.is_some() || tag.is_some();
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { "Journal" @if let Some(tag) = &tag { " · #" (tag) } } p { (who.account.now().strftime("%A, %-d %B %Y")) } }
        (write(&frame, None))
        (days_nav(today, today))
        section.part {
            form.fields method="get" action="/journal" role="search" {
                input type="search" name="q" value=(query.as_deref().unwrap_or_default()) placeholder="Find in your journal" aria-label="Find";
                @if let Some(tag) = &tag { input type="hidden" name="tag" value=(tag); }
                button.quiet type="submit" { "Find" }
            }
        }
        (parts::tag_links("/journal", "all entries", &tags, tag.as_deref()))
        div #live {
            (days(&frame, &entries, &files, today))
            @if entries.is_empty() && is_part { p.empty { "No entry is like that. " a href="/journal" { "All of the journal" } } }
            @else if entries.is_empty() { (teach(&frame)) }
            @if more { (parts::further(&older(after.saturating_add(ENTRIES_MAX), query.as_deref(), tag.as_deref()), "Older")) }
        }
    };
    Ok(Wrong::respond(wrong, layout::page(&frame, content)))
}

/// What the empty journal teaches: a line of today, one of another day, and how what is written is found again.
pub(in crate::web) const STARTERS: [&str; 3] = [
    "journal: slept well, long walk by the river",
    "journal yesterday: rained all day #weather",
    "find everything about the river in my journal",
];

fn teach(frame: &Frame<'_>) -> Markup {
    html! {
        section.part.sheet.pad {
            p { "Nothing is written yet. A line above is enough; a word like #garden is a tag. Or say it in the box:" }
            div.part { (parts::examples(frame, &STARTERS)) }
        }
    }
}

fn older(after: u32, query: Option<&str>, tag: Option<&str>) -> String {
    let part = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!("&{name}={}", encode(value)))
    };
    format!("/journal?after={after}{}{}", part("q", query), part("tag", tag))
}

#[derive(Default, Deserialize)]
pub(super) struct OfDay {
    said: Option<String>,
    /// An entry that is to be on the page.
    at: Option<String>,
    #[serde(default)]
    after: u32,
}

impl OfDay {
    /// The page that holds this entry.
    pub(super) fn at(entry: String) -> Self {
        Self { at: Some(entry), ..Self::default() }
    }
}

/// The page of one day, to read and to write on.
pub(super) async fn day(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(day): Path<String>,
    Params(shown): Params<OfDay>,
) -> Result<Response, Problem> {
    let Ok(day) = day.parse::<Date>() else { return Err(no_such_page().await) };
    show_day(&app, &who, &nonce, day, (shown, None)).await
}

/// The same, with the command that was just done, or with what is wrong with a form of it.
pub(super) async fn show_day(
    app: &App,
    who: &SignedIn,
    nonce: &Nonce,
    day: Date,
    (OfDay { said, at, after }, wrong): (OfDay, Option<&Wrong>),
) -> Result<Response, Problem> {
    let account = who.account.id.clone();
    let filter = Filter { from: Some(day), to: Some(day), ..Filter::default() };
    let (mut entries, files, after) = app
        .read(move |db| {
            let after = match &at {
                Some(id) => journal::place_in_day(db, &account, id)? / ENTRIES_MAX * ENTRIES_MAX,
                None => after,
            };
            let entries = journal::list(db, &account, &filter, ENTRIES_MAX + 1, after)?;
            let files = files_of(db, &account, &entries)?;
            Ok((entries, files, after))
        })
        .await?;
    let more = entries.len() > ENTRIES_MAX as usize;
    entries.truncate(ENTRIES_MAX as usize);
    let said = dashboard::said(app, &who.account, said).await;
    let frame = Frame::new(app, who, nonce, "/journal", "Journal").answering(wrong);
    let today = who.account.now().date();
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { (day.strftime("%A, %-d %B %Y")) } p { a href="/journal" { "All of the journal" } } }
        (days_nav(day, today))
        (write(&frame, Some(day)))
        div #live {
            @if entries.is_empty() && after > 0 { p.empty { "Nothing of this day is older. " a href=(of_day(day)) { "Its last entries" } } }
            @else if entries.is_empty() { p.empty { "Nothing is written on this day. A line above is enough, and it is kept for this day whenever you write it." } }
            @else { div.part.sheet { @for entry in &entries { (article(&frame, entry, &files, &of_day(day))) } } }
            @if more { (parts::further(&format!("{}?after={}", of_day(day), after.saturating_add(ENTRIES_MAX)), "Older")) }
        }
    };
    Ok(Wrong::respond(wrong, layout::page(&frame, content)))
}

fn files_of(db: &rusqlite::Connection, account: &str, entries: &[Entry]) -> Result<Vec<Attachment>, Error> {
    let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    attachments::of_entries(db, account, &ids)
}

/// `day`: the page that it stands on; without one it is today's, and stays so over midnight.
fn write(frame: &Frame<'_>, day: Option<Date>) -> Markup {
    let back = day.map_or_else(|| "/journal".to_owned(), of_day);
    let mark = frame.mark("/journal", "text");
    html! {
        form.write method="post" action="/journal" data-queue {
            (parts::hidden(frame, &back))
            @if let Some(day) = day { input type="hidden" name="day" value=(day); }
            textarea name="text" placeholder="How was the day?" aria-label="Entry" data-max=(journal::TEXT_CHARS_MAX) required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark] data-draft={ "journal" @if let Some(day) = day { " " (day) } } { "\n" (frame.typed("/journal", "text", "")) }
            (frame.error("/journal", "text"))
            button type="submit" { "Keep" }
        }
    }
}

/// The days around `day`, and the way to any.
fn days_nav(day: Date, today: Date) -> Markup {
    let link = |to: Date| html! { a.tag href=(of_day(to)) { (words::show_day(to, today)) } };
    html! {
        nav.tags.days aria-label="Days" {
            (link(day.saturating_sub(1.day())))
            @if day != today { (link(today)) }
            (link(day.saturating_add(1.day())))
            form method="get" action="/journal" {
                input type="date" name="day" value=(day) aria-label="Another day" required;
                button.quiet type="submit" { "Go" }
            }
        }
    }
}

pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn days(frame: &Frame<'_>, entries: &[Entry], files: &[Attachment], today: Date) -> Markup {
    html! {
        @for of_day in entries.chunk_by(|one, next| one.day == next.day) {
            @if let Some(first) = of_day.first() {
                section.part {
                    header { h2 { (words::show_day(first.day, today)) } a href=(self::of_day(first.day)) { "Open this day" span.hidden { ", " (first.day) } } }
                    div.sheet { @for entry in of_day { (article(frame, entry, files, LIST)) } }
                }
            }
        }
    }
}

/// What the list shows of a text: all of it, or its first lines or words.
fn beginning(text: &str) -> &str {
    let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) else { return text };
    let shown = text.get(..end).unwrap_or(text);
    let whole = shown.rfind('\n').filter(|at| *at > end / 2).or_else(|| shown.rfind(char::is_whitespace));
    shown.get(..whole.unwrap_or(end)).unwrap_or(shown).trim_end()
}

fn article(frame: &Frame<'_>, entry: &Entry, files: &[Attachment], back: &str) -> Markup {
    let at = frame.who.account.local(entry.created_at).strftime("%H:%M").to_string();
    let title = words::shorten(&entry.text);
    // Of its day all is shown.
    let text = if back == LIST { beginning(&entry.text) } else { entry.text.as_str() };
    html! {
        article.entry id={ "e-" (entry.id) } data-row {
            div.rich { (markdown::render_lines(text)) }
            @if text.len() < entry.text.len() {
                p { a.button.quiet href={ (of_day(entry.day)) "?at=" (entry.id) "#e-" (entry.id) } { "Read on" span.hidden { ": " (title) } } }
            }
            footer {
                time { (at) }
                @for tag in tags::in_text(&entry.text) { a.tag href={ "/journal?tag=" (encode(&tag)) } { "#" (tag) } }
                a.tag href={ "/entries/" (entry.id) } aria-label={ "Edit: " (title) } { "Edit" }
                form method="post" action={ "/entries/" (entry.id) "/delete" } {
                    (parts::hidden(frame, &of_day(entry.day)))
                    button.icon type="submit" aria-label={ "Delete: " (title) } { (parts::icon("bin")) }
                }
            }
            (files_below(frame, entry, files, back))
        }
    }
}

pub(super) async fn add(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> Result<Response, Problem> {
    match keep(&app, &sent).await {
        Ok(said) => Ok(sent.back(Some(&said)).into_response()),
        Err(error) => {
            let wrong = sent.wrong("text", error)?;
            match sent.text("day").parse() {
                Ok(day) => show_day(&app, &sent.who, &nonce, day, (OfDay::default(), Some(&wrong))).await,
                Err(_) => show(&app, &sent.who, &nonce, Shown::default(), Some(&wrong)).await,
            }
        }
    }
}

/// Returns the id under which it is undone.
async fn keep(app: &App, sent: &Sent) -> Result<String, Error> {
    let text = sent.text("text").to_owned();
    let day = match sent.text("day") {
        // What waited for a connection is of the day on which it was typed.
        "" => Some((sent.who.account.now() - sent.waited()?).date()),
        day => Some(day.parse().map_err(|_| Error::Invalid(format!("\"{day}\" is no day")))?),
    };
    let command = move |_: &rusqlite::Transaction<'_>, _: &Account| Ok(Command::AddEntry { text, day });
    tasks::execute(app, &sent.who.account, sent.key.clone(), command).await
}
