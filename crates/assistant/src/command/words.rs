//! The sentences that tell what was understood and done.

use std::fmt;

use jiff::{
    civil::{Date, Time},
    tz::Offset,
};

use super::{Command, Inverse};
use crate::{
    accounts::Account,
    journal::{self, Entry},
    recurrence::words as recurring,
    tasks::{self, Draft, Due, State, Task, tags},
    when,
};

/// What a command is about, in words: a kind, which, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    pub(crate) when: Option<String>,
}

/// `Task: Call Anna · tomorrow, 17:00`.
impl fmt::Display for Told {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.kind, self.title)?;
        self.when.as_ref().map_or(Ok(()), |when| write!(to, " · {when}"))
    }
}

/// A command that was done on `done_on`, as it is told on `today`: what was tomorrow then may be yesterday now.
pub(super) fn done(command: &Command, inverse: &Inverse, done_on: Date, today: Date) -> Told {
    let (kind, when) = match command {
        Command::AddTask(draft) => ("Task", show_when(draft, today)),
        Command::EditTask { draft, .. } => ("Changed", show_when(draft, today)),
        Command::CompleteTask { .. } => ("Done", None),
        Command::ReopenTask { .. } => ("Open again", None),
        Command::MoveTask { due, .. } => ("Moved", Some(show_due(*due, today))),
        Command::DeleteTask { .. } => ("Task deleted", None),
        Command::AddEntry { day, .. } => ("Journal", Some(show_day(day.unwrap_or(done_on), today))),
        Command::EditEntry { day, .. } => ("Journal changed", Some(show_day(*day, today))),
        Command::DeleteEntry { .. } => ("Journal entry deleted", None),
        Command::RenameConversation { .. } => ("Conversation renamed", None),
        Command::DeleteConversation { .. } => ("Conversation deleted", None),
    };
    Told { kind, title: title(command, inverse), when }
}

/// New things are named by the command, others by how they were before it.
fn title(command: &Command, inverse: &Inverse) -> String {
    match (command, inverse) {
        (Command::EditTask { draft, .. }, _) | (Command::AddTask(draft), _) => {
            tasks::clean_title(&draft.title).unwrap_or_else(|_| draft.title.clone())
        }
        (_, Inverse::RestoreTask { task, .. } | Inverse::ReinsertTask { task }) => task.title.clone(),
        (_, Inverse::ReinsertEntry { entry }) => shorten(&entry.text),
        (Command::AddEntry { text, .. } | Command::EditEntry { text, .. }, _) => {
            shorten(&journal::clean_text(text).unwrap_or_else(|_| text.clone()))
        }
        (_, Inverse::RetitleConversation { now: title, .. } | Inverse::RestoreConversation { title, .. }) => {
            title.clone()
        }
        (_, Inverse::RestoreEntry { entry, .. }) => shorten(&entry.text),
        // A row that is removed again was added, so no other command stands beside these.
        (_, Inverse::RemoveTask { id, .. } | Inverse::RemoveEntry { id, .. }) => id.clone(),
    }
}

/// When a task is due, how it comes again, its tags: `Mon 23 Nov, 09:00, every Monday #home`.
fn show_when(draft: &Draft, today: Date) -> Option<String> {
    let mut when = draft.due.map_or_else(String::new, |due| show_due(due, today));
    if let Some(recurrence) = &draft.recurrence {
        when = format!("{when}, {}", recurring::show(recurrence));
    }
    when.push_str(&tags::said(&draft.tags));
    Some(when.trim_start().to_owned()).filter(|when| !when.is_empty())
}

pub(super) fn task_added(task: &Task, who: &Account) -> String {
    let today = who.now().date();
    match (task.due_for(who), &task.recurrence) {
        (Some(due), Some(recurrence)) => {
            let how = recurring::show(recurrence);
            format!("Noted: “{}”, {how}, first {}.", task.title, show_due(due, today))
        }
        (Some(due), None) => format!("Noted: “{}”, {}.", task.title, show_due(due, today)),
        (None, _) => format!("Noted: “{}”. It has no date.", task.title),
    }
}

/// A task's title; of several with the same one, with its day. `has_namesake`: another open task is called so.
pub(super) fn named(task: &Task, has_namesake: bool, who: &Account) -> String {
    let day = task.due_for(who).map_or_else(|| "no date".to_owned(), |due| show_due(due, who.now().date()));
    if has_namesake { format!("“{}” ({day})", task.title) } else { format!("“{}”", task.title) }
}

/// One that comes again, and when. `named`: as [`named`] says it.
pub(super) fn task_done(named: &str, next: &Task, who: &Account) -> String {
    let when = next.due_for(who).map_or_else(String::new, |due| show_due(due, who.now().date()));
    format!("{named} is done. It comes again {when}.")
}

fn task_line(kind: &'static str, title: &str, when: Option<String>) -> String {
    Told { kind, title: title.to_owned(), when }.to_string()
}

/// How a command that is not done yet is read; `tasks` are those that it may name.
pub(crate) fn reading(command: &Command, tasks: &[Task], today: Date) -> String {
    let title = |id: &str| tasks.iter().find(|task| task.id == id).map_or("a task", |task| &task.title);
    match command {
        Command::AddTask(draft) => task_line("Task", &draft.title, show_when(draft, today)),
        Command::EditTask { draft, .. } => task_line("Change", &draft.title, show_when(draft, today)),
        Command::CompleteTask { id } => format!("Done: {}", title(id)),
        Command::ReopenTask { id } => format!("Open again: {}", title(id)),
        Command::MoveTask { id, due } => task_line("Move", title(id), Some(show_due(*due, today))),
        Command::DeleteTask { id } => format!("Delete: {}", title(id)),
        Command::AddEntry { text, .. } => format!("Journal: {}", shorten(text)),
        Command::EditEntry { text, .. } => format!("Change the journal: {}", shorten(text)),
        Command::DeleteEntry { .. } => "Delete an entry".to_owned(),
        Command::RenameConversation { title, .. } => format!("Rename a conversation: {title}"),
        Command::DeleteConversation { .. } => "Delete a conversation".to_owned(),
    }
}

/// `named`: as [`named`] says what it was before.
pub(super) fn task_changed(named: &str, before: &Task, after: &Task, who: &Account) -> String {
    let title = if before.title == after.title { named.to_owned() } else { format!("“{}”", after.title) };
    match (before.state, after.state, after.due_for(who)) {
        (State::Open, State::Done, _) => format!("{title} is done."),
        (State::Done, State::Open, _) => format!("{title} is open again."),
        (_, State::Done, _) => format!("{title} was done already."),
        _ if before.due == after.due => format!("{title} was changed."),
        (_, _, Some(due)) => format!("{title} is now {}.", show_due(due, who.now().date())),
        (_, _, None) => format!("{title} was changed."),
    }
}

pub(super) fn entry_added(entry: &Entry, who: &Account) -> String {
    format!("Written in your journal for {}.", show_day(entry.day, who.now().date()))
}

pub(super) fn entry_changed(entry: &Entry, who: &Account) -> String {
    format!("Your entry for {} was changed.", show_day(entry.day, who.now().date()))
}

pub(super) fn deleted(what: &str) -> String {
    format!("“{}” is deleted.", shorten(what))
}

/// The first words of a long text.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(80).collect();
    if short.len() < text.trim_end().len() { format!("{short}…") } else { short }
}

/// `tomorrow, 17:00`.
pub(crate) fn show_due(due: Due, today: Date) -> String {
    let day = show_day(due.day, today);
    let zone = due.offset_seconds.and_then(|seconds| Offset::from_seconds(seconds).ok());
    let zone = zone.map_or_else(String::new, |offset| format!(" {}", when::shown_offset(offset)));
    due.time.map_or_else(|| day.clone(), |time| format!("{day}, {}{zone}", show_time(time)))
}

/// `today`, `tomorrow`, `Fri 27 Nov`, with the year when it is another.
pub(crate) fn show_day(day: Date, today: Date) -> String {
    let days = today.until(day).map_or(i32::MAX, |span| span.get_days());
    match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        -1 => "yesterday".to_owned(),
        _ if day.year() == today.year() => day.strftime("%a %-d %b").to_string(),
        _ => day.strftime("%a %-d %b %Y").to_string(),
    }
}

pub(crate) fn show_time(time: Time) -> String {
    time.strftime("%H:%M").to_string()
}
