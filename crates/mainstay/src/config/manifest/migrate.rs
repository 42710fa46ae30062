//! `[migrate]`: the step that moves the database, and what it promises.

use model::{Span, manifest::Migrate, schema::CodeSchema};

mod tool;

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
    let tool = tool::tool(section);
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
    if let Some(tool) = &tool {
        tool::check_database(section, tool, |name| {
            env.contains_key(name) || env_secrets.iter().any(|s| s == name)
        });
    }
    if tool.is_none() && !section.has("command") && !section.has("tool") {
        section.missing("command", "command = [\"node\", \"migrate.js\", \"up\"]");
    }
    if tool.is_none() && !section.has("status_command") && !section.has("tool") {
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
        tool: tool.unwrap_or_default(),
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
