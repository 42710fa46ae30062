//! One task: its form, and the page that brings two versions together when two tabs changed it.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use jiff::civil::{Date, Time};
use maud::{Markup, html};

use super::{
    form::Sent,
    layout::{self, Frame},
    parts, sentence, tasks as list,
};
use crate::{
    accounts::Account,
    command::Command,
    error::{Error, Result},
    recurrence::{
        self, Mode, Repeats,
        phrase::{self, Heard},
        words,
    },
    tasks::{self, Draft, Due, Task, tags},
    web::{
        App,
        guard::Nonce,
        problem::Problem,
        session::{SignedIn, Visitor},
    },
};

/// Name, label and kind of each field.
const FIELDS: [(&str, &str, &str); 5] = [
    ("title", "Title", "text"),
    ("day", "Day", "date"),
    ("time", "Time", "time"),
    ("tags", "Tags", "text"),
    ("repeats", "Comes again", "text"),
];

/// A task as its form holds it, in the order of [`FIELDS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed([String; 5]);

impl Typed {
    fn of(task: &Task) -> Self {
        let due = task.due;
        Self([
            task.title.clone(),
            due.map_or_else(String::new, |due| due.day.to_string()),
            due.and_then(|due| due.time).map_or_else(String::new, show_time),
            tags::said(&task.tags).trim().to_owned(),
            task.recurrence.as_ref().map_or_else(String::new, words::show),
        ])
    }

    /// The fields of a form whose names begin with `prefix`.
    pub(super) fn sent(sent: &Sent, prefix: &str) -> Self {
        Self(FIELDS.map(|(name, ..)| sent.text(&format!("{prefix}{name}")).to_owned()))
    }

    fn get(&self, wanted: &str) -> &str {
        FIELDS.iter().position(|(name, ..)| *name == wanted).map_or("", |at| self.0[at].as_str())
    }

    /// What `self` changed against `before`, over what is there now: a field that only one side changed has that
    /// side's words, one that both changed has these.
    fn merged(&self, before: &Self, now: &Self) -> Self {
        let mut merged = self.clone();
        for (at, field) in merged.0.iter_mut().enumerate() {
            if *field == before.0[at] {
                field.clone_from(&now.0[at]);
            }
        }
        merged
    }

    /// What is meant; `old`: the task that is changed.
    pub(super) async fn draft(&self, who: &Account, old: Option<&Task>) -> Result<Draft> {
        let day = parse::<Date>(self.get("day"), "day")?;
        let time = parse::<Time>(self.get("time"), "time")?;
        let (title, mut found) = match old {
            Some(_) => (self.get("title").to_owned(), Vec::new()),
            None => tags::take(self.get("title")),
        };
        found.extend(tags::clean(&self.get("tags").split_whitespace().collect::<Vec<_>>())?);
        let mut draft = Draft { title, tags: tags::clean(&found)?, ..Draft::default() };
        let same = old.filter(|task| Self::of(task).get("repeats") == self.get("repeats"));
        match (same.and_then(|task| task.recurrence.clone()), self.get("repeats")) {
            (None, "") => {
                // A time without a day is today's, as people mean it.
                let day = day.or_else(|| time.map(|_| who.now().date()));
                draft.due = day.map(|day| Due::new(day, time));
            }
            (Some(recurrence), _) => {
                draft.due = Some(Due::new(day.unwrap_or_else(|| who.now().date()), time));
                draft.recurrence = Some(recurrence);
            }
            (None, said) => {
                let repeats = heard(said, who).await?;
                let begun = repeats.starting(day, time, who.now().datetime());
                let (recurrence, due) = begun
                    .ok_or_else(|| Error::Invalid(format!("\"{said}\" does not come after that day")))?;
                (draft.due, draft.recurrence) = (Some(due), Some(recurrence));
            }
        }
        Ok(draft)
    }
}

/// As a field of a form takes it.
fn show_time(time: Time) -> String {
    time.strftime(if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

fn parse<T: std::str::FromStr>(text: &str, what: &str) -> Result<Option<T>> {
    let parsed = Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose();
    parsed.map_err(|_| Error::Invalid(format!("\"{text}\" is no {what}")))
}

/// A phrase, or a rule of RFC 5545, which is checked off the async threads.
async fn heard(said: &str, who: &Account) -> Result<Repeats> {
    if said.to_ascii_uppercase().contains("FREQ=") {
        let rule = said.to_owned();
        let checked = tokio::task::spawn_blocking(move || recurrence::check(&rule, Mode::Fixed)).await;
        let rule = checked.map_err(|error| Error::Invalid(error.to_string()))?.map_err(Error::Invalid)?;
        return Ok(Repeats { rule, mode: Mode::Fixed, time: None });
    }
    match phrase::read_whole(said, &who.now()) {
        Heard::Found { repeats, .. } => Ok(repeats),
        Heard::Ask { prompt, choices, .. } => {
            let choices: Vec<String> =
                choices.into_iter().map(|choice| format!("“{}”", choice.instead)).collect();
            Err(Error::Invalid(format!("{prompt} Write {}", choices.join(" or "))))
        }
        Heard::Nothing => Err(Error::Invalid(format!(
            "\"{said}\" does not say how it comes again; write “every Monday”, “every 2 weeks on Friday” or “3 days after I finish”"
        ))),
    }
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
) -> std::result::Result<Response, Problem> {
    let account = who.account.id.clone();
    let task = app.read(move |db| tasks::get(db, &account, &id)).await?;
    let typed = Typed::of(&task);
    let frame = frame(&app, &who, &nonce, "Task");
    let content = html! {
        div.head { p { a href="/tasks" { "All tasks" } } h1 { (task.title) } }
        (form(&frame, &task, &typed, "Save"))
    };
    Ok(layout::page(&frame, content).into_response())
}

fn frame<'a>(app: &'a App, who: &'a SignedIn, nonce: &'a Nonce, title: &'a str) -> Frame<'a> {
    Frame { app, who, nonce, here: "/tasks", title }
}

/// `task` is what the form was made from: only if it still is that, it is changed.
fn form(frame: &Frame<'_>, task: &Task, typed: &Typed, save: &str) -> Markup {
    html! {
        form.sheet.pad.edit method="post" action={ "/tasks/" (task.id) } {
            (parts::hidden(frame, "/tasks"))
            input type="hidden" name="rev" value=(task.rev);
            @for ((name, ..), value) in FIELDS.iter().zip(&Typed::of(task).0) {
                input type="hidden" name={ "was_" (name) } value=(value);
            }
            @for ((name, label, kind), value) in FIELDS.iter().zip(&typed.0) {
                label { (label) input type=(kind) name=(name) value=(value) step=[(*kind == "time").then_some("any")] required[*name == "title"] autocomplete="off"; }
            }
            p.rule { "Comes again: “every Monday”, “every 2 weeks on Friday”, “monthly on the last day”, “3 days after I finish”." }
            div.offers { button type="submit" { (save) } a.button.quiet href="/tasks" { "Leave it as it is" } }
        }
    }
}

pub(super) async fn save(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> std::result::Result<Response, Problem> {
    let typed = Typed::sent(&sent, "");
    let account = sent.who.account.id.clone();
    let wanted = id.clone();
    let now = match app.read(move |db| tasks::get(db, &account, &wanted)).await {
        Ok(task) => task,
        Err(Error::NotFound(_)) => return Ok(gone(&frame(&app, &sent.who, &nonce, "Task"), &typed)),
        Err(error) => return Err(error.into()),
    };
    let read_at = sent.text("rev").parse::<i64>().ok();
    if read_at != Some(now.rev) {
        return Ok(merge(
            &frame(&app, &sent.who, &nonce, "Two versions"),
            &now,
            &typed,
            &Typed::sent(&sent, "was_"),
        ));
    }
    let draft = match typed.draft(&sent.who.account, Some(&now)).await {
        Ok(draft) => draft,
        Err(Error::Invalid(why)) => {
            return Ok(refused(&frame(&app, &sent.who, &nonce, "Task"), &now, &typed, &why));
        }
        Err(error) => return Err(error.into()),
    };
    let (command, key) = (Command::EditTask { id, rev: read_at, draft }, sent.key.clone());
    match list::execute(&app, &sent.who.account, key, move |_, _| Ok(command)).await {
        Ok(said) => Ok(sent.back(said.as_deref()).into_response()),
        // Between the look above and the change somebody else was faster: the second look shows it.
        Err(Error::Stale(_)) => Ok(Redirect::to(&format!("/tasks/{}", now.id)).into_response()),
        Err(Error::Invalid(why)) => Ok(refused(&frame(&app, &sent.who, &nonce, "Task"), &now, &typed, &why)),
        Err(error) => Err(error.into()),
    }
}

/// The form again, as it was typed, with what is wrong.
fn refused(frame: &Frame<'_>, task: &Task, typed: &Typed, why: &str) -> Response {
    let content = html! {
        div.head { h1 { (task.title) } p.error role="alert" { (sentence(why)) " Nothing was changed." } }
        (form(frame, task, typed, "Save"))
    };
    (StatusCode::UNPROCESSABLE_ENTITY, layout::page(frame, content)).into_response()
}

/// Both versions side by side, and a form that holds what becomes of them.
fn merge(frame: &Frame<'_>, now: &Task, yours: &Typed, before: &Typed) -> Response {
    let theirs = Typed::of(now);
    let merged = yours.merged(before, &theirs);
    let content = html! {
        div.head role="status" {
            h1 { "This task was changed meanwhile" }
            p { "Nothing is lost: here are both versions. The form below holds them together; what both changed stands there as you wrote it." }
        }
        table.sheet.versions {
            thead { tr { td {} th scope="col" { "As it is now" } th scope="col" { "As you wrote it" } } }
            tbody {
                @for (at, (_, label, _)) in FIELDS.iter().enumerate() {
                    tr.differs[theirs.0[at] != yours.0[at]] {
                        th scope="row" { (label) }
                        td { (theirs.0[at]) }
                        td { (yours.0[at]) }
                    }
                }
            }
        }
        section.part { (form(frame, now, &merged, "Save this")) }
    };
    (StatusCode::PRECONDITION_FAILED, layout::page(frame, content)).into_response()
}

/// Deleted in another tab: what was typed can be added again.
fn gone(frame: &Frame<'_>, typed: &Typed) -> Response {
    let content = html! {
        div.head role="status" { h1 { "This task was deleted meanwhile" } p { "What you wrote is still here." } }
        form.sheet.pad.edit method="post" action="/tasks" {
            (parts::hidden(frame, "/tasks"))
            @for ((name, label, kind), value) in FIELDS.iter().zip(&typed.0) {
                label { (label) input type=(kind) name=(name) value=(value) step=[(*kind == "time").then_some("any")] autocomplete="off"; }
            }
            div.offers { button type="submit" { "Add it again" } a.button.quiet href="/tasks" { "Leave it deleted" } }
        }
    };
    (StatusCode::NOT_FOUND, layout::page(frame, content)).into_response()
}
