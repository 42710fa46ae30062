//! The sentences that tell what was understood and done.

use jiff::civil::{Date, Time};

use super::Command;
use crate::{
    accounts::Account,
    journal::Entry,
    tasks::{Due, State, Task},
};

/// `Task: Call Anna · tomorrow, 17:00` and a sentence.
pub(super) fn task_added(task: &Task, who: &Account) -> (String, String) {
    let today = who.now().date();
    let reply = match task.due {
        Some(due) => format!("Noted: “{}”, {}.", task.title, show_due(due, today)),
        None => format!("Noted: “{}”. It has no date.", task.title),
    };
    (task_line("Task", &task.title, task.due, today), reply)
}

fn task_line(what: &str, title: &str, due: Option<Due>, today: Date) -> String {
    due.map_or_else(
        || format!("{what}: {title}"),
        |due| format!("{what}: {title} · {}", show_due(due, today)),
    )
}

/// How a command that is not done yet is read; `tasks` are those that it may name.
pub(crate) fn reading(command: &Command, tasks: &[Task], today: Date) -> String {
    let title = |id: &str| tasks.iter().find(|task| task.id == id).map_or("a task", |task| &task.title);
    match command {
        Command::AddTask { title, due } => task_line("Task", title, *due, today),
        Command::CompleteTask { id } => format!("Done: {}", title(id)),
        Command::ReopenTask { id } => format!("Open again: {}", title(id)),
        Command::MoveTask { id, due } => task_line("Move", title(id), Some(*due), today),
        Command::DeleteTask { id } => format!("Delete: {}", title(id)),
        Command::AddEntry { text, .. } => format!("Journal: {}", shorten(text)),
        Command::DeleteEntry { .. } => "Delete an entry".to_owned(),
    }
}

pub(super) fn task_changed(before: &Task, after: &Task, who: &Account) -> (String, String) {
    let title = &after.title;
    match (before.state, after.state, after.due) {
        (State::Open, State::Done, _) => (format!("Done: {title}"), format!("“{title}” is done.")),
        (State::Done, State::Open, _) => {
            (format!("Open again: {title}"), format!("“{title}” is open again."))
        }
        (_, State::Done, _) => (format!("Done: {title}"), format!("“{title}” was done already.")),
        (_, _, Some(due)) => {
            let when = show_due(due, who.now().date());
            (format!("Moved: {title} · {when}"), format!("“{title}” is now {when}."))
        }
        (_, _, None) => (format!("Changed: {title}"), format!("“{title}” was changed.")),
    }
}

pub(super) fn entry_added(entry: &Entry, who: &Account) -> (String, String) {
    let day = show_day(entry.day, who.now().date());
    (format!("Journal, {day}: {}", shorten(&entry.text)), format!("Written in your journal for {day}."))
}

pub(super) fn deleted(kind: &str, what: &str) -> (String, String) {
    (format!("{kind} deleted: {}", shorten(what)), format!("“{}” is deleted.", shorten(what)))
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
    due.time.map_or_else(|| day.clone(), |time| format!("{day}, {}", show_time(time)))
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
