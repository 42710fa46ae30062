//! What version 1 wrote is read as it was meant, and what a newer version wrote is refused in words and left as it is.

use std::{fs, path::Path};

use crate::{
    control::Served,
    settings::{Settings, SettingsError},
    table::{Table, TableError},
};

const TABLE: &str = include_str!("../tests/recorded/v1/routes.json");
const SETTINGS: &str = include_str!("../tests/recorded/v1/settings.json");
const SERVED: &str = include_str!("../tests/recorded/v1/served.json");

/// Reads the text from a file, which stays as it was.
fn read<T>(name: &str, text: &str, read: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, text).expect("written");
    let read = read(&file);
    assert_eq!(fs::read_to_string(&file).expect("still there"), text);
    read
}

/// The same of the next format.
fn newer(text: &str) -> String {
    let newer =
        text.replacen("\"format\": 1", "\"format\": 2", 1).replacen("\"format\":1", "\"format\":2", 1);
    assert_ne!(newer, text);
    newer
}

/// Written again it is the same, so that neither a lost nor a new field passes.
fn is_whole(read: &impl serde::Serialize, text: &str) {
    let written = serde_json::to_value(read).expect("it is written");
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
}

#[test]
fn files_of_version_1_are_read() {
    is_whole(&read("routes.json", TABLE, Table::read).expect("a table"), TABLE);
    is_whole(&read("settings.json", SETTINGS, Settings::read).expect("settings"), SETTINGS);
    let served = |file: &Path| Served::read(file.parent().expect("a folder"));
    let served = read("served.json", SERVED, served).expect("it is known").expect("it reads");
    is_whole(&served, SERVED);
    assert!(served.epoch > 0 && served.sites.len() == 1);
}

#[test]
fn files_of_a_newer_version_are_refused() {
    let table = read("routes.json", &newer(TABLE), Table::read);
    assert!(matches!(table, Err(TableError::Format { found: 2 })), "{table:?}");
    let settings = read("settings.json", &newer(SETTINGS), Settings::read);
    assert!(matches!(settings, Err(SettingsError::Format { found: 2, .. })), "{settings:?}");
    let served = |file: &Path| Served::read(file.parent().expect("a folder"));
    let refused = read("served.json", &newer(SERVED), served).expect_err("it is of tomorrow").to_string();
    assert!(refused.contains("has the format 2, and this version reads up to 1"), "{refused}");
}
