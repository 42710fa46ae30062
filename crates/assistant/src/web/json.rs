//! The JSON shapes of `API.md` where they differ from the rows.

use kit::clock;
use serde::Serializer;
use serde_json::{Value, json};

use crate::{
    journal::Entry,
    recurrence::words as recurring,
    reminders::Reminder,
    summary::Summary,
    tasks::{Task, tags},
};

/// Milliseconds since the epoch as RFC 3339.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(crate) fn time<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::rfc3339(*ms))
}

pub(crate) fn task(task: &Task) -> Value {
    json!({
        "id": task.id,
        "title": task.title,
        "state": task.state,
        "tags": task.tags,
        "recurrence": task.recurrence.as_ref().map(|recurrence| json!({
            "rule": recurrence.rule, "mode": recurrence.mode, "words": recurring::show(recurrence),
        })),
        "due_day": task.due.map(|due| due.day),
        "due_time": task.due.and_then(|due| due.time).map(|time| time.strftime("%H:%M").to_string()),
        "zone": task.zone,
        "due_at": task.due_at.map(clock::rfc3339),
        "created_at": clock::rfc3339(task.created_at),
        "done_at": task.done_at.map(clock::rfc3339),
        "rev": task.rev,
    })
}

pub(crate) fn entry(entry: &Entry) -> Value {
    json!({"id": entry.id, "day": entry.day, "text": entry.text, "created_at": clock::rfc3339(entry.created_at), "rev": entry.rev, "tags": tags::in_text(&entry.text)})
}

pub(crate) fn reminder(reminder: &Reminder) -> Value {
    json!({
        "id": reminder.id,
        "task_id": reminder.task_id,
        "title": reminder.title,
        "due_at": clock::rfc3339(reminder.due_at),
        "told_at": clock::rfc3339(reminder.told_at),
        "shown": reminder.shown_at.is_some(),
    })
}

pub(crate) fn summary(summary: &Summary) -> Value {
    json!({"day": summary.day, "text": summary.text, "made_at": clock::rfc3339(summary.made_at)})
}
