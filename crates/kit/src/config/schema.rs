//! The table as JSON Schema, for editors and operators.

use serde_json::{Map, Value, json};

use super::{Field, Table};

/// An object whose properties are the variables (JSON Schema 2020-12), each with its `description` and `default`;
/// `writeOnly` marks secrets, `x-aliases` other names, `x-files` where a secret may stand instead.
pub fn schema(title: &str, table: Table) -> Value {
    let describe = |field: &Field| {
        let mut property = field.kind.describe();
        property["description"] = field.doc.into();
        if let Some(default) = field.default {
            property["default"] = default.into();
        }
        let aliases: Vec<&str> =
            table.aliases.iter().filter(|alias| alias.of == field.name).map(|alias| alias.name).collect();
        if !aliases.is_empty() {
            property["x-aliases"] = json!(aliases);
        }
        if field.kind.is_private() {
            property["x-files"] =
                json!([format!("{}_FILE", field.name), format!("CREDENTIALS_DIRECTORY/{}", field.name)]);
        }
        (field.name.to_owned(), property)
    };
    let properties: Map<String, Value> = table.fields.iter().map(describe).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": table.required,
    })
}
