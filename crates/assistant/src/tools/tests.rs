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
fn no_tool_does_what_is_not_offered() {
    for command in ["rename_conversation", "delete_conversation", "undo", ""] {
        let refused = read(&call(command, json!({"id": "x", "title": "x"})));
        assert_eq!(refused, Err(format!("There is no tool {command}.")));
    }
}
