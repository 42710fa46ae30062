//! One task: its form, and what is meant by what was typed into it.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use jiff::civil::{Date, Time};
use maud::html;

use super::{
    form::Sent,
    layout::{self, Frame},
    tasks as list,
    versions::{self, Field, Kind, Misfit, Now, Sort, Typed},
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
    when::{self, Context, Direction, Habits},
};

/// In the order in which [`typed`] has them.
pub(super) static TASK: Sort = Sort {
    word: "task",
    fields: &[
        Field { name: "title", label: "Title", kind: Kind::Text, required: true },
        Field { name: "day", label: "Day", kind: Kind::Date, required: false },
        Field { name: "time", label: "Time", kind: Kind::Time, required: false },
        Field { name: "tags", label: "Tags", kind: Kind::Text, required: false },
        Field { name: "repeats", label: "Comes again", kind: Kind::Text, required: false },
    ],
    list: "/tasks",
    hint: "Comes again: “every Monday”, “every 2 weeks on Friday”, “monthly on the last day”, “3 days after I finish”.",
};

/// On the clock of `who`.
fn typed(task: &Task, who: &Account) -> Typed {
    let due = task.due_for(who);
    Typed(vec![
        task.title.clone(),
        due.map_or_else(String::new, |due| due.day.to_string()),
        due.and_then(|due| due.time).map_or_else(String::new, show_time),
        tags::said(&task.tags).trim().to_owned(),
        task.recurrence.as_ref().map_or_else(String::new, words::show),
    ])
}

fn now<'a>(task: &'a Task, who: &Account) -> Now<'a> {
    Now {
        sort: &TASK,
        title: &task.title,
        action: format!("/tasks/{}", task.id),
        back: "/tasks".to_owned(),
        rev: task.rev,
        typed: typed(task, who),
    }
}

/// What `typed` says.
fn get<'a>(typed: &'a Typed, wanted: &str) -> &'a str {
    let values = TASK.fields.iter().zip(&typed.0);
    values
        .filter(|(field, _)| field.name == wanted)
        .map(|(_, value)| value.as_str())
        .next()
        .unwrap_or_default()
}

/// What is meant; `old`: the task that is changed.
pub(super) async fn draft(
    typed: &Typed,
    who: &Account,
    old: Option<&Task>,
) -> std::result::Result<Draft, Misfit> {
    let at = |field| move |error| Misfit(field, error);
    let day = parse::<Date>(get(typed, "day"), "day").map_err(at("day"))?;
    let time = parse::<Time>(get(typed, "time"), "time").map_err(at("time"))?;
    let (title, mut found) = match old {
        Some(_) => (get(typed, "title").to_owned(), Vec::new()),
        None => tags::take(get(typed, "title")),
    };
    tasks::clean_title(&title).map_err(at("title"))?;
    let own = tags::clean(&get(typed, "tags").split_whitespace().collect::<Vec<_>>());
    found.extend(own.map_err(at("tags"))?);
    let mut draft = Draft { title, tags: tags::clean(&found).map_err(at("tags"))?, ..Draft::default() };
    let same = old.filter(|task| get(&self::typed(task, who), "repeats") == get(typed, "repeats"));
    match (same.and_then(|task| task.recurrence.clone()), get(typed, "repeats")) {
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
            let repeats = heard(said, who).await.map_err(at("repeats"))?;
            let begun = repeats.starting(day, time, who.now().datetime());
            let never = || Error::Invalid(format!("\"{said}\" does not come after that day"));
            let (recurrence, due) = begun.ok_or_else(never).map_err(at("repeats"))?;
            (draft.due, draft.recurrence) = (Some(due), Some(recurrence));
        }
    }
    if let Some(old) = old {
        draft.due = draft.due.map(|due| meant(due, old, who));
    }
    Ok(draft)
}

/// What is meant by a time that was typed into the form of `old`. One that stands as it was shown keeps the zone in
/// which it was said; another is on the clock of `who`, also where it reads as the other zone's.
fn meant(typed: Due, old: &Task, who: &Account) -> Due {
    let shown = old.due_for(who).map(|due| (due.day, due.time));
    match old.due {
        Some(due) if shown == Some((typed.day, typed.time)) => due,
        Some(due) if due == typed => {
            let zone = who.time_zone();
            let at = typed.instant_ms(&zone).and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
            Due { offset_seconds: at.map(|at| zone.to_offset(at).seconds()), ..typed }
        }
        _ => typed,
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
        return Ok(Repeats { rule, mode: Mode::Fixed, time: None, from: None });
    }
    let context =
        Context { now: who.now(), direction: Direction::Ahead, habits: Habits::default(), day: None };
    match phrase::read_whole(said, &context) {
        Heard::Found { repeats, .. } => Ok(repeats),
        Heard::Ask { prompt, choices, .. } => {
            // The field holds no title that could keep the words.
            let rules = choices.into_iter().filter(|choice| choice.label != when::KEEP);
            let choices: Vec<String> = rules.map(|choice| format!("“{}”", choice.instead)).collect();
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
    let frame = frame(&app, &who, &nonce, "Task");
    let now = now(&task, &who.account);
    let content = html! {
        div.head { p { a href="/tasks" { "All tasks" } } h1 { (task.title) } }
        (versions::form(&frame, &now, &now.typed, "Save"))
    };
    Ok(layout::page(&frame, content).into_response())
}

fn frame<'a>(app: &'a App, who: &'a SignedIn, nonce: &'a Nonce, title: &'a str) -> Frame<'a> {
    Frame::new(app, who, nonce, "/tasks", title)
}

pub(super) async fn save(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    Path(id): Path<String>,
    sent: Sent,
) -> std::result::Result<Response, Problem> {
    match attempt(&app, &nonce, &id, &sent).await {
        Err(problem) if problem.status == StatusCode::PRECONDITION_FAILED => {
            attempt(&app, &nonce, &id, &sent).await
        }
        ended => ended,
    }
}

async fn attempt(app: &App, nonce: &Nonce, id: &str, sent: &Sent) -> std::result::Result<Response, Problem> {
    let typed = Typed::sent(&TASK, sent, "");
    let (account, wanted) = (sent.who.account.id.clone(), id.to_owned());
    let frame = frame(app, &sent.who, nonce, "Task");
    let found = app.read(move |db| tasks::get(db, &account, &wanted)).await;
    // Asked after the look: what this very form changed is no change of somebody else's.
    if let Some(said) = list::done_before(app, sent).await? {
        return Ok(sent.back(Some(&said)).into_response());
    }
    let task = match found {
        Ok(task) => task,
        Err(Error::NotFound(_)) => return Ok(versions::gone(&frame, &TASK, &typed)),
        Err(error) => return Err(error.into()),
    };
    let now = now(&task, &sent.who.account);
    if !now.is_what_was_read(sent) {
        return Ok(versions::merge(&frame, &now, &typed, &Typed::sent(&TASK, sent, "was_")));
    }
    let draft = match draft(&typed, &sent.who.account, Some(&task)).await {
        Ok(draft) => draft,
        Err(misfit) => return versions::refused(frame, sent, (&now, &typed), misfit),
    };
    let command = Command::EditTask { id: id.to_owned(), rev: Some(task.rev), draft };
    versions::save(frame, sent, (&now, &typed), ("title", command), |said| sent.back(Some(said))).await
}
