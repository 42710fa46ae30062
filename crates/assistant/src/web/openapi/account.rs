//! Shapes of sessions, attachments, and an account's data out, in and gone.

use serde_json::{Map, Value, json};

use super::{object, reference};

pub(super) fn schemas() -> Map<String, Value> {
    let (text, count) = (json!({"type": "string"}), json!({"type": "integer"}));
    let (maybe, maybe_number) = (json!({"type": ["string", "null"]}), json!({"type": ["integer", "null"]}));
    let time = json!({"type": "string", "format": "date-time"});
    let schemas = json!({
        "Privacy": object(json!({"vendors": {"type": "array", "items": object(json!({"name": text, "host": text, "gets": text}), &["name", "host", "gets"])},
            "kept_days": object(json!({"journal": maybe_number, "tasks": maybe_number, "conversations": maybe_number, "history": maybe_number}), &[]),
            "erase_at": maybe}), &["vendors", "kept_days", "erase_at"]),
        "Imported": object(json!({"tasks": count, "entries": count, "conversations": count, "messages": count, "commands": count, "attachments": count, "left_out": count}), &["tasks", "entries"]),
        "Erase": object(json!({"password": text}), &["password"]),
        "Erasing": object(json!({"erase_at": maybe}), &["erase_at"]),
        "NewPassword": object(json!({"old": text, "new": text}), &["old", "new"]),
        "Sessions": object(json!({"sessions": {"type": "array", "items": object(
            json!({"id": text, "device": text, "address": text, "created_at": time, "seen_at": time, "current": {"type": "boolean"}}),
            &["id", "created_at", "seen_at", "current"])}, "next": maybe}), &["sessions"]),
        "Ended": object(json!({"ended": {"type": "integer"}}), &["ended"]),
        "Attachments": object(json!({"attachments": {"type": "array", "items": reference("Attachment")}}), &["attachments"]),
        "Attachment": object(
            json!({"id": text, "entry_id": text, "name": text, "size": {"type": "integer"}, "media": text, "sha256": text, "created_at": time, "content": text}),
            &["id", "entry_id", "name", "size", "media", "sha256", "content"],
        ),
        "Upload": object(json!({"id": text, "upload": text}), &["id", "upload"]),
        "Removed": object(json!({"removed": {"type": "integer"}}), &["removed"]),
    });
    if let Value::Object(schemas) = schemas { schemas } else { Map::new() }
}
