//! The shapes of tasks, reminders and the morning summary.

use serde_json::{Map, Value, json};

use super::{list, object, reference};

pub(super) fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    for schemas in [tasks(), told()] {
        all.extend(schemas.as_object().cloned().unwrap_or_default());
    }
    all
}

fn tasks() -> Value {
    let text = json!({"type": "string"});
    let maybe = json!({"type": ["string", "null"]});
    let time = json!({"type": "string", "format": "date-time"});
    let tags = json!({"type": "array", "items": text});
    let rule = json!({"rule": text, "mode": {"enum": ["fixed", "from_completion"]}});
    let mut told_rule = rule.clone();
    told_rule["words"] = text.clone();
    let maybe_rule = |name: &str| json!({"oneOf": [reference(name), {"type": "null"}]});
    let task = json!({
        "id": text, "title": text, "state": {"enum": ["open", "done"]}, "tags": tags, "recurrence": maybe_rule("Recurrence"),
        "due_day": maybe, "due_time": maybe, "zone": maybe, "due_at": maybe, "created_at": time, "done_at": maybe, "rev": {"type": "integer"},
    });
    let said = json!({
        "title": text, "due_day": {"type": ["string", "null"], "format": "date"}, "due_time": maybe, "tags": tags,
        "recurrence": maybe_rule("NewRecurrence"),
    });
    json!({
        "Task": object(task, &["id", "title", "state", "rev"]),
        "Tasks": list("Task", "tasks"),
        "Recurrence": object(told_rule, &["rule", "mode", "words"]),
        "NewRecurrence": object(rule, &["rule"]),
        "NewTask": object(said.clone(), &["title"]),
        "TaskPatch": object(said, &[]),
        "Until": object(json!({"until": {"enum": ["later_today", "tomorrow", "next_week"]}}), &["until"]),
        "TaskDone": object(json!({"task": reference("Task"), "undo_id": text, "understood": text}), &["task", "undo_id"]),
    })
}

fn told() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let reminder = json!({"id": text, "task_id": text, "title": text, "due_at": time, "told_at": time, "shown": {"type": "boolean"}});
    let today = json!({"oneOf": [reference("Summary"), {"type": "null"}]});
    json!({
        "Reminder": object(reminder, &["id", "task_id", "title", "due_at"]),
        "Reminders": object(json!({"reminders": {"type": "array", "items": reference("Reminder")}}), &["reminders"]),
        "Claim": object(json!({"first": {"type": "boolean"}}), &["first"]),
        "Summary": object(json!({"day": text, "text": text, "made_at": time}), &["day", "text", "made_at"]),
        "Morning": object(json!({"at": text, "today": today}), &["at", "today"]),
        "NewMorning": object(json!({"at": text}), &["at"]),
    })
}
