//! The reference of the assistant's settings says what its table says: `docs/reference/assistant-settings.md`.
//!
//! With `MAINSTAY_WRITE_REFERENCE` set (`cargo xtask docs` does) the page is written instead of compared.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

const WRITE: &str = "MAINSTAY_WRITE_REFERENCE";
const HEAD: &str = "# The assistant's settings

Made by `cargo xtask docs` from the program's own table (`assistant config schema`); do not edit. All are variables of the environment. `assistant config` prints those in force and
`assistant config check` everything that is wrong with them, before anything starts. A variable that begins with `ASSISTANT_` and is none of these is refused. How they go together:
[setting the assistant up](../guide/assistant-setup.md).

A secret may stand in a file in the place of its variable: `NAME_FILE` holds the path, or the folder of `CREDENTIALS_DIRECTORY` has a file of its name.

| setting | takes | default | what for | also |
|---|---|---|---|---|
";

/// What a value looks like.
fn takes(property: &Value) -> String {
    let number = |name: &str| property[name].as_u64();
    if property["writeOnly"] == true {
        return match number("minLength") {
            Some(least @ 2..) => format!("a secret of {least} characters or more"),
            _ => "a secret".to_owned(),
        };
    }
    if let Some(words) = property["enum"].as_array() {
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    match (property["type"].as_str(), number("minimum"), number("maximum")) {
        (_, Some(least), Some(u64::MAX)) => format!("a whole number from {least}"),
        (_, Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        _ if property["format"] == "uri" => "an address".to_owned(),
        _ if property["pattern"].is_string() => "a time: `30ms`, `25s`, `2m`, `1h`".to_owned(),
        _ => "text".to_owned(),
    }
}

fn row(name: &str, property: &Value) -> String {
    let default =
        property["default"].as_str().map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
    let aliases = property["x-aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let also: Vec<String> =
        aliases.filter(|alias| *alias != name).map(|alias| format!("`{alias}`")).collect();
    let what_for = property["description"].as_str().expect("every setting is described");
    format!("| `{name}` | {} | {default} | {what_for} | {} |\n", takes(property), also.join(", "))
}

/// What `assistant config` says without any setting.
fn told(what: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assistant"));
    let told = command.args(["config", what]).env_clear().output().expect("runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).expect("UTF-8")
}

#[test]
fn the_page_of_the_settings_is_what_the_table_says() {
    let schema: Value = serde_json::from_str(&told("schema")).expect("JSON");
    let properties = schema["properties"].as_object().expect("properties");
    // In the table's order, in which settings that belong together stand together.
    let shown = told("show");
    let names: Vec<&str> = shown
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('=').next())
        .collect();
    assert_eq!(names.len(), properties.len(), "{names:?}");
    let rows: String = names.iter().map(|name| row(name, &properties[*name])).collect();
    let page = format!("{HEAD}{rows}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/assistant-settings.md");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &page).expect("writes");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "assistant-settings.md is stale: run cargo xtask docs"
    );
}
