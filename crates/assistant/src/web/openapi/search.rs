//! The shapes of the search over everything.

use serde_json::{Map, Value, json};

use super::{list, object};
use crate::search::Kind;

pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({"type": "string"});
    let piece = object(json!({"text": text, "found": {"type": "boolean"}}), &["text", "found"]);
    let hit = json!({
        "kind": {"enum": Kind::ALL}, "id": text, "at": {"type": "string", "format": "date-time"}, "day": {"type": ["string", "null"]},
        "address": text, "snippet": {"type": "array", "items": piece},
    });
    let schemas = json!({
        "Hit": object(hit, &["kind", "id", "at", "address", "snippet"]),
        "Hits": list("Hit", "hits"),
    });
    schemas.as_object().cloned().unwrap_or_default()
}

pub(super) fn parameters() -> [Value; 2] {
    [
        json!({"name": "q", "in": "query", "required": true, "schema": {"type": "string"}}),
        json!({"name": "kind", "in": "query", "required": false, "schema": {"enum": Kind::ALL}}),
    ]
}
