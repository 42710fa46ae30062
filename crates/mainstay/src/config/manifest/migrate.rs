//! `[migrate]`: the step that moves the database, and what it promises.

use model::{Span, manifest::Migrate, schema::CodeSchema};

use super::text;
use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

pub(super) fn migrate(section: &mut Section<'_, '_, '_>) -> Migrate {
    section.later(&[Later {
        key: "backup_before",
        instead: "backups come in a later version: copy the database before you deploy",
    }]);
    let command = text::command(section, "command");
    let status_command = text::command(section, "status_command");
    let down_command = text::command(section, "down_command");
    let contract_command = text::command(section, "contract_command");
    let timeout = section.duration("timeout").unwrap_or(Span::secs(600));
    let schema = section.integer("schema", 0..=i64::MAX as u64);
    let schema_min = section.integer("schema_min", 0..=i64::MAX as u64);
    let compatible_with = section.integer("compatible_with", 0..=i64::MAX as u64);
    let env = text::env(section);
    let env_secrets = text::env_secrets(section, &env);
    if !section.has("command") {
        section.missing("command", "command = [\"node\", \"migrate.js\", \"up\"]");
    }
    if !section.has("status_command") {
        section.missing("status_command", "status_command = [\"node\", \"migrate.js\", \"version\"]");
    }
    if !section.has("schema") {
        section.missing("schema", "schema = 1");
    }
    let schema_was_read = schema.is_some();
    let schema = schema.unwrap_or_default();
    let schema_min = schema_min.unwrap_or(schema);
    for (key, value) in [("schema_min", Some(schema_min)), ("compatible_with", compatible_with)] {
        if schema_was_read && value.is_some_and(|value| value > schema) {
            let span = section.span_of(key);
            section.problem(
                Problem::new("limits-crossed", span, format!("`{key}` is above `schema` ({schema})"))
                    .help("`schema` is what this code was written for: nothing it names can be newer"),
            );
        }
    }
    Migrate {
        command: command.unwrap_or_default(),
        status_command: status_command.unwrap_or_default(),
        down_command,
        contract_command,
        timeout,
        code: CodeSchema { schema, schema_min },
        compatible_with,
        env,
        env_secrets,
    }
}
