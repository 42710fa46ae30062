//! The description of the interface (OpenAPI 3.1), made from the table of routes.

use serde_json::{Map, Value, json};

use super::routes::{Access, Operation, TABLE};

mod account;
mod days;
mod search;

pub(crate) fn description() -> Value {
    let mut paths = Map::new();
    for route in TABLE {
        let operations: Map<String, Value> = route
            .operations
            .iter()
            .map(|operation| (operation.method.to_owned(), describe(route.path, operation)))
            .collect();
        paths.insert(route.path.to_owned(), Value::Object(operations));
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Assistant", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas().into_iter().chain(account::schemas()).chain(days::schemas()).chain(search::schemas()).collect::<Map<_, _>>(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}, "cookie": {"type": "apiKey", "in": "cookie", "name": "session"}},
        },
    })
}

fn describe(path: &str, operation: &Operation) -> Value {
    let mut described = json!({
        "summary": operation.summary,
        "operationId": operation_id(path, operation.method),
        "parameters": parameters(path, operation),
        "responses": responses(operation),
    });
    if operation.access == Access::SignedIn {
        described["security"] = json!([{"bearer": []}, {"cookie": []}]);
    }
    if let Some(body) = operation.body {
        described["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": reference(body)}}});
    }
    described
}

fn operation_id(path: &str, method: &str) -> String {
    let words = path
        .split(['/', '.'])
        .filter(|word| !word.is_empty() && *word != "api")
        .map(|word| word.trim_matches(['{', '}']));
    [method].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

fn parameters(path: &str, operation: &Operation) -> Vec<Value> {
    let text = |name: &str, place: &str, required: bool| json!({"name": name, "in": place, "required": required, "schema": {"type": "string"}});
    let number = |name: &str| json!({"name": name, "in": "query", "required": false, "schema": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32}});
    let mut parameters = Vec::new();
    if path.contains("{id}") {
        parameters.push(text("id", "path", true));
    }
    match (operation.method, path) {
        ("get", "/api/tasks") => {
            parameters.push(json!({"name": "state", "in": "query", "required": false, "schema": {"enum": ["open", "done", "all"]}}));
            parameters.push(text("tag", "query", false));
        }
        ("patch", "/api/tasks/{id}" | "/api/journal/{id}") => {
            parameters.push(text("If-Match", "header", false))
        }
        ("get", "/api/journal") => {
            parameters.extend(["q", "tag"].map(|name| text(name, "query", false)));
            parameters.push(json!({"name": "day", "in": "query", "required": false, "schema": {"type": "string", "format": "date"}}));
        }
        ("get", "/api/search") => parameters.extend(search::parameters()),
        ("get", "/api/read") => {
            parameters.push(text("text", "query", true));
            parameters.push(json!({"name": "dates", "in": "query", "required": false, "schema": {"enum": ["read", "keep"]}}));
        }
        ("post", "/api/journal/{id}/attachments") => {
            parameters.extend(
                ["Tus-Resumable", "Upload-Length", "Upload-Metadata"].map(|name| text(name, "header", true)),
            );
        }
        ("head", "/api/attachments/{id}") => parameters.push(text("Tus-Resumable", "header", true)),
        ("patch", "/api/attachments/{id}") => {
            parameters.extend(["Tus-Resumable", "Upload-Offset"].map(|name| text(name, "header", true)));
        }
        ("get", "/api/messages/{id}/stream") => {
            parameters.extend([text("Last-Event-ID", "header", false), text("from", "query", false)])
        }
        ("get", "/api/conversations/{id}") => {
            parameters.extend([number("limit"), text("after", "query", false)])
        }
        _ => {}
    }
    if operation.method == "get"
        && matches!(
            path,
            "/api/tasks"
                | "/api/journal"
                | "/api/conversations"
                | "/api/search"
                | "/api/history"
                | "/api/sessions"
        )
    {
        parameters.extend([number("limit"), number("after")]);
    }
    if takes_key(path, operation) {
        let key = json!({"type": "string", "pattern": "^[!-~]{1,128}$"});
        parameters.push(json!({"name": "Idempotency-Key", "in": "header", "required": false, "schema": key}));
    }
    parameters
}

fn takes_key(path: &str, operation: &Operation) -> bool {
    matches!(operation.method, "post" | "patch" | "delete")
        && operation.access == Access::SignedIn
        && !matches!(path, "/api/logout" | "/api/password")
}

fn responses(operation: &Operation) -> Value {
    let (status, carries) = operation.success;
    let mut responses = Map::new();
    let content = match carries {
        "" => json!({"description": "Done"}),
        media if media.contains('/') => json!({"description": "OK", "content": {media: {}}}),
        schema => {
            json!({"description": "OK", "content": {"application/json": {"schema": reference(schema)}}})
        }
    };
    responses.insert(status.to_string(), content);
    let problem = json!({"description": "A problem", "content": {"application/problem+json": {"schema": reference("Problem")}}});
    let of_access: &[u16] = if operation.access == Access::SignedIn { &[401] } else { &[] };
    let of_body: &[u16] = if matches!(operation.method, "get" | "head" | "options") {
        &[400]
    } else {
        &[400, 403, 409, 413, 415, 422]
    };
    for status in operation.errors.iter().chain(of_access).chain(of_body).chain(&[500, 503, 507]) {
        let described = match status {
            204 => json!({"description": "Nothing more"}),
            304 => json!({"description": "As it was"}),
            _ => problem.clone(),
        };
        responses.entry(status.to_string()).or_insert(described);
    }
    Value::Object(responses)
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn list(of: &str, name: &str) -> Value {
    object(
        json!({name: {"type": "array", "items": reference(of)}, "next": {"type": ["string", "null"]}}),
        &[name],
    )
}

fn schemas() -> Map<String, Value> {
    let text = json!({"type": "string"});
    let maybe = json!({"type": ["string", "null"]});
    let time = json!({"type": "string", "format": "date-time"});
    let message = object(
        json!({"id": text, "conversation_id": text, "parent_id": text, "role": {"enum": ["user", "assistant"]}, "text": text,
            "status": {"enum": ["waiting", "running", "done", "stopped", "failed"]}, "interrupted": {"type": "boolean"}, "tainted_by": maybe,
            "attempt": {"type": "integer"}, "by": maybe, "created_at": time, "command": {"oneOf": [reference("Command"), {"type": "null"}]},
            "by_tools": {"type": "array", "items": reference("Command")}, "proposals": {"type": "array", "items": reference("Proposal")},
            "choices": {"type": "array", "items": reference("Choice")},
            "branch": {"oneOf": [reference("Branch"), {"type": "null"}]},
            "sources": {"type": "array", "items": object(json!({"origin": text, "name": text}), &["origin", "name"])}}),
        &["id", "role", "text", "status"],
    );
    let said = object(
        json!({"outcome": {"enum": ["done", "ask", "not_understood", "talk"]}, "conversation_id": text, "message_id": text, "stream": text, "understood": text, "reply": text, "undo_id": maybe, "by": text,
            "choices": {"type": "array", "items": reference("Choice")}, "examples": {"type": "array", "items": text}}),
        &["outcome", "understood", "reply"],
    );
    let conversation = json!({"id": text, "title": text, "updated_at": time});
    let mut whole = conversation.clone();
    whole["messages"] = json!({"type": "array", "items": reference("Message")});
    whole["next"] = maybe.clone();
    let maybe_number = json!({"type": ["integer", "null"]});
    let schemas = json!({
        "Problem": object(json!({"type": text, "title": text, "status": {"type": "integer"}, "detail": text, "request_id": text}), &["title", "status", "detail"]),
        "Nothing": {"type": "object"},
        "Login": object(json!({"user": text, "password": text}), &["user", "password"]),
        "Session": object(json!({"token": text, "user": text, "expires_at": time}), &["token", "user"]),
        "Me": object(json!({"user": text, "zone": text}), &["user", "zone"]),
        "Undoable": object(json!({"undo_id": text}), &["undo_id"]),
        "Entry": object(json!({"id": text, "day": text, "text": text, "created_at": time, "rev": {"type": "integer"}, "tags": {"type": "array", "items": text}}), &["id", "day", "text"]),
        "EntryPatch": object(json!({"text": text, "day": {"type": "string", "format": "date"}}), &[]),
        "Entries": list("Entry", "entries"),
        "NewEntry": object(json!({"text": text, "day": {"type": ["string", "null"], "format": "date"}}), &["text"]),
        "EntryDone": object(json!({"entry": reference("Entry"), "undo_id": text}), &["entry", "undo_id"]),
        "Conversation": object(conversation, &["id", "title"]),
        "Conversations": list("Conversation", "conversations"),
        "NewConversation": object(json!({"title": text}), &[]),
        "WholeConversation": object(whole, &["id", "title", "messages"]),
        "Message": message,
        "Choice": object(json!({"label": text, "text": text, "teaches": text}), &["label", "text"]),
        "Text": object(json!({"text": text}), &["text"]),
        "Sentence": object(json!({"text": text, "dates": {"enum": ["read", "keep"]}, "teaches": maybe}), &["text"]),
        "Words": object(json!({"text": text, "sources": {"type": "array", "items": reference("Source")}}), &["text"]),
        "Source": object(json!({"origin": {"enum": ["file", "import", "mail", "page"]}, "name": text, "text": text}), &["origin", "text"]),
        "Title": object(json!({"title": text}), &["title"]),
        "Understood": object(json!({"undo_id": text, "understood": text}), &["undo_id", "understood"]),
        "Proposal": object(json!({"id": text, "understood": text, "state": {"enum": ["asked", "accepted", "declined"]}}), &["id", "understood", "state"]),
        "Branch": object(json!({"at": {"type": "integer"}, "of": {"type": "integer"}, "before": maybe, "after": maybe}), &["at", "of"]),
        "Spending": object(json!({"day": text, "tokens": {"type": "integer"}, "tokens_max": maybe_number, "money": text, "money_max": maybe,
            "models": {"type": "array", "items": object(json!({"name": text, "host": text}), &["name", "host"])}}), &["day", "tokens", "money", "models"]),
        "Answering": object(json!({"message_id": text, "stream": text}), &["message_id", "stream"]),
        "Said": said,
        "Read": object(json!({"understood": maybe, "dated": {"type": "boolean"}}), &["understood", "dated"]),
        "Undone": object(json!({"undone": text}), &["undone"]),
        "Command": object(json!({"id": text, "at": time, "understood": text, "undone": {"type": "boolean"}, "stays": maybe}), &["id", "at", "understood", "undone", "stays"]),
        "History": list("Command", "commands"),
        "Version": object(json!({"release": maybe_number, "instance": maybe, "version": text, "schema": {"type": "integer"}}), &["version"]),
        "Health": object(json!({"status": {"enum": ["ok", "degraded", "error"]}, "timestamp": time}), &["status", "timestamp"]),
    });
    schemas.as_object().cloned().unwrap_or_default()
}
