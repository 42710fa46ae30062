//! Each tool that is offered can be called as its schema says.

use super::*;

fn call(name: &str, arguments: Value) -> Call {
    Call { id: "c".to_owned(), name: name.to_owned(), arguments }
}

/// A value that the schema allows, with every property.
fn example(schema: &Value) -> Value {
    if let Some(properties) = schema["properties"].as_object() {
        return properties.iter().map(|(name, schema)| (name.clone(), example(schema))).collect();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["description"].as_str() {
        Some(about) if about.contains("YYYY") => json!("2030-01-02"),
        Some(about) if about.contains("HH:MM") => json!("17:00:00"),
        _ => json!("x"),
    }
}

/// Only what is required.
fn least(schema: &Value) -> Value {
    let whole = example(schema);
    let required = schema["required"].as_array().expect("a list");
    required.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), whole[name].clone())).collect()
}

#[test]
fn every_tool_is_read_as_its_schema_says() {
    for tool in offered() {
        for arguments in [example(&tool.schema), least(&tool.schema)] {
            let wanted = read(&call(tool.name, arguments.clone()));
            assert!(wanted.is_ok(), "{} {arguments}: {wanted:?}", tool.name);
            if let Ok(Wanted::Do(command)) = wanted {
                let stored = serde_json::to_value(&command).expect("a command is JSON");
                assert_eq!(stored["do"], tool.name);
            }
        }
    }
}

#[test]
fn a_call_with_an_argument_that_is_not_offered_is_refused_whole() {
    let refused = |name: &str, arguments: Value| read(&call(name, arguments)).expect_err("it is refused");
    let told = refused(
        "add_task",
        json!({"title": "x", "priority": "high", "due": {"day": "2030-01-02", "hour": 5}}),
    );
    assert_eq!(told, "Not done: add_task takes no due.hour, priority. It takes due.day, due.time, title.");
    // The fields of a command that a person may set and a model may not.
    for hidden in [
        json!({"title": "x", "tags": ["y"]}),
        json!({"title": "x", "recurrence": null}),
        json!({"title": "x", "do": "delete_task"}),
    ] {
        assert!(refused("add_task", hidden.clone()).starts_with("Not done: add_task takes no "), "{hidden}");
    }
    assert!(refused("list_tasks", json!({"tag": "x"})).contains("takes no tag"));
    assert!(refused("find_entries", json!({"query": "x", "from": "2030-01-02"})).contains("takes no from"));
    assert!(refused("complete_task", json!({"id": "x", "note": ""})).contains("takes no note"));
}

#[test]
fn no_tool_does_what_is_not_offered() {
    for command in ["rename_conversation", "delete_conversation", "undo", ""] {
        let refused = read(&call(command, json!({"id": "x", "title": "x"})));
        assert_eq!(refused, Err(format!("There is no tool {command}.")));
    }
}
