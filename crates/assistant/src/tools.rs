//! What a model may call. Each tool that changes something is a [`Command`], and the one executor does it: the account
//! comes from the answer's own row, never from the model.
//!
//! Here are the table and the reading of calls; `calls` keeps what was called, `run` does it.

use jiff::civil::Date;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    accounts::Account,
    command::{Command, words},
    error::Result,
    model::{Call, Tool},
    tasks::{self, State, Task},
};

pub(crate) mod calls;
pub(crate) mod run;

#[cfg(test)]
mod tests;

/// What a call asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    Do(Command),
    Tasks { state: State },
    Entries { query: Option<String>, day: Option<Date> },
}

struct Offered {
    name: &'static str,
    about: &'static str,
    /// Whether the arguments are those of the [`Command`] of this name.
    is_command: bool,
    schema: fn() -> Value,
}

const TOOLS: &[Offered] = &[
    Offered {
        name: "list_tasks",
        about: "The person's tasks, with their ids.",
        is_command: false,
        schema: || object(json!({"state": {"type": "string", "enum": ["open", "done"]}}), &[]),
    },
    Offered {
        name: "find_entries",
        about: "Entries of the person's journal, with their ids: by words, by day, or the newest.",
        is_command: false,
        schema: || object(json!({"query": text("Words to look for."), "day": day()}), &[]),
    },
    Offered {
        name: "add_task",
        about: "Adds a task.",
        is_command: true,
        schema: || object(json!({"title": text("What is to be done."), "due": due()}), &["title"]),
    },
    Offered {
        name: "complete_task",
        about: "Marks a task as done.",
        is_command: true,
        schema: || object(json!({"id": id()}), &["id"]),
    },
    Offered {
        name: "reopen_task",
        about: "Opens a task again that was done.",
        is_command: true,
        schema: || object(json!({"id": id()}), &["id"]),
    },
    Offered {
        name: "move_task",
        about: "Gives a task another day or time.",
        is_command: true,
        schema: || object(json!({"id": id(), "due": due()}), &["id", "due"]),
    },
    Offered {
        name: "delete_task",
        about: "Deletes a task.",
        is_command: true,
        schema: || object(json!({"id": id()}), &["id"]),
    },
    Offered {
        name: "add_entry",
        about: "Writes an entry into the journal.",
        is_command: true,
        schema: || object(json!({"text": text("The entry."), "day": day()}), &["text"]),
    },
    Offered {
        name: "delete_entry",
        about: "Deletes an entry of the journal.",
        is_command: true,
        schema: || object(json!({"id": id()}), &["id"]),
    },
];

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

fn id() -> Value {
    text("An id as list_tasks or find_entries gives it.")
}

fn day() -> Value {
    text("A day, YYYY-MM-DD.")
}

fn due() -> Value {
    let time = text("A wall-clock time, HH:MM:SS; left out: the whole day.");
    object(json!({"day": day(), "time": time}), &["day"])
}

/// All of them, as a model is offered them.
pub(crate) fn offered() -> Vec<Tool> {
    TOOLS.iter().map(|tool| Tool { name: tool.name, about: tool.about, schema: (tool.schema)() }).collect()
}

#[derive(Deserialize)]
struct OfTasks {
    state: Option<State>,
}

#[derive(Deserialize)]
struct OfEntries {
    query: Option<String>,
    day: Option<Date>,
}

/// Reads a call.
///
/// # Errors
/// What is wrong with it, in a sentence for the model.
pub(crate) fn read(call: &Call) -> std::result::Result<Wanted, String> {
    let tool = TOOLS.iter().find(|tool| tool.name == call.name);
    let tool = tool.ok_or_else(|| format!("There is no tool {}.", call.name))?;
    let Value::Object(mut arguments) = call.arguments.clone() else {
        return Err("The arguments must be one JSON object.".to_owned());
    };
    let foreign = foreign(&call.arguments, &(tool.schema)());
    if !foreign.is_empty() {
        let (named, taken) = (foreign.join(", "), names(&(tool.schema)()).join(", "));
        return Err(format!("Not done: {} takes no {named}. It takes {taken}.", tool.name));
    }
    if tool.is_command {
        // Behind the model's own fields, so that it names no other command.
        arguments.insert("do".to_owned(), json!(tool.name));
        return from(arguments).map(Wanted::Do);
    }
    if tool.name == "list_tasks" {
        return from(arguments)
            .map(|OfTasks { state }| Wanted::Tasks { state: state.unwrap_or(State::Open) });
    }
    from(arguments).map(|OfEntries { query, day }| Wanted::Entries { query, day })
}

/// What stands in the arguments and not in the schema. Half of a call is not what was called for.
fn foreign(arguments: &Value, schema: &Value) -> Vec<String> {
    let (Some(given), Some(taken)) = (arguments.as_object(), schema["properties"].as_object()) else {
        return Vec::new();
    };
    let below = given.iter().flat_map(|(name, value)| match taken.get(name) {
        None => vec![name.clone()],
        Some(schema) => foreign(value, schema).into_iter().map(|inner| format!("{name}.{inner}")).collect(),
    });
    below.collect()
}

/// The arguments of a tool, with those inside them.
fn names(schema: &Value) -> Vec<String> {
    let taken = schema["properties"].as_object().into_iter().flatten();
    let names = taken.flat_map(|(name, schema)| {
        let inner = names(schema);
        if inner.is_empty() {
            vec![name.clone()]
        } else {
            inner.iter().map(|inner| format!("{name}.{inner}")).collect()
        }
    });
    names.collect()
}

fn from<T: serde::de::DeserializeOwned>(
    arguments: serde_json::Map<String, Value>,
) -> std::result::Result<T, String> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| format!("The arguments do not fit: {error}."))
}

/// What a call would do, from its arguments.
///
/// # Errors
/// The database's.
pub(crate) fn understood(db: &Connection, who: &Account, call: &Call) -> Result<String> {
    Ok(match read(call) {
        Ok(Wanted::Do(command)) => words::reading(&command, &known(db, who, call)?, who.now().date()),
        Ok(Wanted::Tasks { .. } | Wanted::Entries { .. }) => "A question".to_owned(),
        Err(why) => why,
    })
}

/// The task that a call names, for its title.
fn known(db: &Connection, who: &Account, call: &Call) -> Result<Vec<Task>> {
    let Some(id) = call.arguments.get("id").and_then(Value::as_str) else { return Ok(Vec::new()) };
    match tasks::get(db, &who.id, id) {
        Ok(task) => Ok(vec![task]),
        Err(crate::error::Error::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
