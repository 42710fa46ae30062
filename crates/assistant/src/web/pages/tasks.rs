//! The list of tasks, and its buttons.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    dashboard::said,
    form::Sent,
    journal::encode,
    layout::{self, Frame},
    parts, task,
    versions::{self, Misfit, Typed},
    wrong::Wrong,
};
use crate::{
    accounts::Account,
    command::{self, Command},
    error::{Error, Result},
    once::{Key, Reply},
    tasks::{
        self, State as TaskState, Task,
        agenda::{self, Group},
        snooze::{self, Snooze},
    },
    web::{
        App,
        guard::Nonce,
        problem::Problem,
        request::Params,
        session::{SignedIn, Visitor},
    },
};

const LIST: &str = "/tasks";

/// What the empty page teaches: a task with a day, one without, one that comes again and has a tag.
pub(in crate::web) const STARTERS: [&str; 3] = [
    "remind me to call Anna tomorrow at 5pm",
    "add buy coffee to my tasks",
    "task: stretch every day at 8am #health",
];

/// Bound: tasks of one page.
const TASKS_MAX: u32 = 100;
/// Bound: done ones below the open ones.
const DONE_MAX: u32 = 10;

#[derive(Default, Deserialize)]
pub(super) struct Shown {
    said: Option<String>,
    tag: Option<String>,
    /// Only these; else open ones, and those that were done lately.
    state: Option<TaskState>,
    #[serde(default)]
    after: u32,
}

/// What the list shows.
struct Rows {
    open: Vec<Task>,
    done: Vec<Task>,
    /// How many open ones each group has in all.
    counts: [u32; 5],
    tags: Vec<(String, u32)>,
    /// More of the same follow.
    more: bool,
    more_done: bool,
}

impl Rows {
    fn read(db: &rusqlite::Connection, who: &Account, shown: &Shown) -> Result<Self> {
        let tag = shown.tag.as_deref();
        let window = (TASKS_MAX + 1, shown.after);
        let (counts, tags) = (agenda::counts(db, who, tag)?, tasks::tags_in_use(db, &who.id)?);
        let done = |window| tasks::list_tagged(db, &who.id, Some(TaskState::Done), tag, window);
        let (mut open, mut done) = match (shown.state, shown.after) {
            (Some(TaskState::Done), _) => (Vec::new(), done(window)?),
            (None, 0) => (agenda::open(db, who, tag, window)?, done((DONE_MAX + 1, 0))?),
            (None | Some(TaskState::Open), _) => (agenda::open(db, who, tag, window)?, Vec::new()),
        };
        let done_max = if shown.state.is_some() { TASKS_MAX } else { DONE_MAX };
        let (more_open, more_done) = (open.len() > TASKS_MAX as usize, done.len() > done_max as usize);
        open.truncate(TASKS_MAX as usize);
        done.truncate(done_max as usize);
        let more = if shown.state == Some(TaskState::Done) { more_done } else { more_open };
        Ok(Self { open, done, counts, tags, more, more_done })
    }
}

pub(super) async fn page(
    State(app): State<App>,
    Visitor(who): Visitor,
    Extension(nonce): Extension<Nonce>,
    Params(shown): Params<Shown>,
) -> std::result::Result<Response, Problem> {
    show(&app, &who, &nonce, shown, None).await
}

/// The page; with `wrong` as the answer to a task that was to be added.
async fn show(
    app: &App,
    who: &SignedIn,
    nonce: &Nonce,
    shown: Shown,
    wrong: Option<&Wrong>,
) -> std::result::Result<Response, Problem> {
    let account = who.account.clone();
    let tag = shown.tag.map(|tag| tag.trim_start_matches('#').to_lowercase()).filter(|tag| !tag.is_empty());
    let wanted = Shown { said: None, tag: tag.clone(), ..shown };
    let (state, after) = (wanted.state, wanted.after);
    let rows = app.read(move |db| Rows::read(db, &account, &wanted)).await?;
    let said = said(app, &who.account, shown.said).await;
    let today = who.account.now().date();
    let frame = Frame::new(app, who, nonce, "/tasks", "Tasks").answering(wrong);
    let is_done = state == Some(TaskState::Done);
    let none = if is_done { rows.done.is_empty() } else { rows.open.is_empty() };
    let content = html! {
        (parts::chip(&frame, said.as_ref()))
        div.head { h1 { @if is_done { "Done" } @else { "Tasks" } @if let Some(tag) = &tag { " · #" (tag) } } }
        (new(&frame))
        (parts::tag_links("/tasks", "all tasks", &rows.tags, tag.as_deref()))
        div #live {
            @if none && after > 0 {
                p.empty { "Nothing follows. " a href=(address(state, tag.as_deref(), 0)) { "To the beginning" } }
            } @else if none && is_done {
                p.empty { "Nothing was done yet." }
            } @else if none && tag.is_some() {
                section.part.sheet.pad { p { "Nothing open has this tag. A word like " (format!("#{}", tag.as_deref().unwrap_or_default())) " in a task's title gives it. " a href="/tasks" { "All tasks" } } }
            } @else if none {
                section.part.sheet.pad {
                    p { "Nothing is open. Add something above, or say it in the box:" }
                    div.part { (parts::examples(&frame, &STARTERS)) }
                }
            }
            @for (group, count) in Group::ALL.into_iter().zip(rows.counts) {
                @let of_group: Vec<Task> = rows.open.iter().filter(|task| task.group(&who.account, today) == group).cloned().collect();
                (parts::task_list(&frame, group.title(), (&of_group, count as usize), today))
            }
            @if is_done { (done_list(&frame, &rows.done, today)) }
            @else { (parts::task_list(&frame, "Done lately", (&rows.done, rows.done.len()), today)) }
            @if rows.more { (parts::further(&address(state, tag.as_deref(), after.saturating_add(TASKS_MAX)), "More")) }
            @if !is_done && rows.more_done { (parts::further(&address(Some(TaskState::Done), tag.as_deref(), 0), "All that is done")) }
        }
    };
    Ok(Wrong::respond(wrong, layout::page(&frame, content)))
}

/// Under the page's own heading.
fn done_list(frame: &Frame<'_>, done: &[Task], today: Date) -> Markup {
    html! { @if !done.is_empty() { ul.list.sheet.part { @for one in done { (parts::task(frame, one, today)) } } } }
}

/// Of a page of the list.
fn address(state: Option<TaskState>, tag: Option<&str>, after: u32) -> String {
    let state = state.map(|state| format!("state={}", state.word()));
    let tag = tag.map(|tag| format!("tag={}", encode(tag)));
    let after = Some(after).filter(|after| *after > 0).map(|after| format!("after={after}"));
    let query: Vec<String> = [state, tag, after].into_iter().flatten().collect();
    if query.is_empty() { LIST.to_owned() } else { format!("{LIST}?{}", query.join("&")) }
}

/// What adds a task.
fn new(frame: &Frame<'_>) -> Markup {
    let (title, day, time) = (frame.mark(LIST, "title"), frame.mark(LIST, "day"), frame.mark(LIST, "time"));
    html! {
        form.sheet.pad method="post" action=(LIST) data-queue {
            (parts::hidden(frame, LIST))
            div.fields.adding {
                input name="title" value=(frame.typed(LIST, "title", "")) placeholder="What is to be done?" aria-label="Title" data-max=(tasks::TITLE_CHARS_MAX) required autocomplete="off" data-draft="task" autofocus[title.is_some()] aria-invalid=[title.map(|_| "true")] aria-describedby=[title];
                input type="date" name="day" value=(frame.typed(LIST, "day", "")) aria-label="Day" autofocus[day.is_some()] aria-invalid=[day.map(|_| "true")] aria-describedby=[day];
                input type="time" name="time" value=(frame.typed(LIST, "time", "")) aria-label="Time" autofocus[time.is_some()] aria-invalid=[time.map(|_| "true")] aria-describedby=[time];
                button type="submit" { "Add" }
            }
            @for field in ["title", "day", "time", "tags"] { (frame.error(LIST, field)) }
        }
    }
}

pub(super) async fn add(
    State(app): State<App>,
    Extension(nonce): Extension<Nonce>,
    sent: Sent,
) -> std::result::Result<Response, Problem> {
    let typed = Typed::sent(&task::TASK, &sent, "");
    let Misfit(field, error) = match store(&app, &sent, &typed).await {
        Ok(said) => return Ok(sent.back(Some(&said)).into_response()),
        Err(misfit) => misfit,
    };
    let wrong = sent.wrong(field, error)?;
    // One that was deleted meanwhile is added again from a form with more fields than the list's.
    if sent.fields.contains_key("repeats") {
        let frame = Frame::new(&app, &sent.who, &nonce, LIST, "Tasks").answering(Some(&wrong));
        return Ok(versions::gone(&frame, &task::TASK, &typed));
    }
    show(&app, &sent.who, &nonce, Shown::default(), Some(&wrong)).await
}

async fn store(app: &App, sent: &Sent, typed: &Typed) -> std::result::Result<String, Misfit> {
    let draft = task::draft(typed, &sent.who.account, None).await?;
    let added =
        execute(app, &sent.who.account, sent.key.clone(), move |_, _| Ok(Command::AddTask(draft))).await;
    added.map_err(|error| Misfit("title", error))
}

pub(super) async fn act(
    State(app): State<App>,
    Path((id, act)): Path<(String, String)>,
    sent: Sent,
) -> std::result::Result<Response, Problem> {
    run(&app, sent, move |tx, who| match act.as_str() {
        "done" => Ok(Command::CompleteTask { id }),
        "reopen" => Ok(Command::ReopenTask { id }),
        "delete" => Ok(Command::DeleteTask { id }),
        "later" => snooze::snooze(tx, who, &id, Snooze::LaterToday),
        "tomorrow" => snooze::snooze(tx, who, &id, Snooze::Tomorrow),
        "next-week" => snooze::snooze(tx, who, &id, Snooze::NextWeek),
        _ => Err(Error::NotFound("button")),
    })
    .await
}

/// Executes the command and goes back to where the form stood, showing it.
pub(super) async fn run(
    app: &App,
    sent: Sent,
    command: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> Result<Command> + Send + 'static,
) -> std::result::Result<Response, Problem> {
    let said = execute(app, &sent.who.account, sent.key.clone(), command).await?;
    Ok(sent.back(Some(&said)).into_response())
}

/// Executes the command once for the key. Returns the id under which it is undone.
pub(super) async fn execute(
    app: &App,
    who: &Account,
    key: Option<Key>,
    command: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> Result<Command> + Send + 'static,
) -> Result<String> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        let command = command(tx, who)?;
        let done = command::execute(tx, who, &command)?;
        Ok(Reply::new(303, serde_json::json!({"said": done.undo_id})))
    };
    Ok(said_by(&app.change(who, key, work).await?))
}

fn said_by(reply: &Reply) -> String {
    reply.body.get("said").and_then(|said| said.as_str()).unwrap_or_default().to_owned()
}

/// What this very form did when it was sent before: the id under which that is undone.
pub(super) async fn done_before(app: &App, sent: &Sent) -> Result<Option<String>> {
    let reply = app.answered(&sent.who.account, sent.key.as_ref()).await?;
    Ok(reply.as_ref().map(said_by))
}
