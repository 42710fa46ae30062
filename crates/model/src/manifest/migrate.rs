//! `[migrate]`: what moves the database, and what that promises to other code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Span, schema::CodeSchema};

/// What `status_command` prints before the name of a step that was begun and did not end, on a line above the version: such
/// a database is not as it was, whatever its version.
pub const HALF_DONE: &str = "mainstay: half-done ";

/// What `status_command` may print before the schema that the release's steps lead to, on a line above the version: such a
/// release is refused where its `schema` says otherwise.
pub const LEADS_TO: &str = "mainstay: leads to ";

/// One step that moves the database forward, and what it promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrate {
    #[serde(default)]
    pub tool: MigrateTool,
    /// With [`MigrateTool::Command`]; empty with the others, like the next one.
    pub command: Vec<String>,
    /// Prints the schema version as a number.
    pub status_command: Vec<String>,
    pub down_command: Option<Vec<String>>,
    /// Takes away what only code below `code.schema` needed; run by a person, when no such code may serve any more.
    #[serde(default)]
    pub contract_command: Option<Vec<String>>,
    pub timeout: Span,
    pub code: CodeSchema,
    /// Lowest code schema that works after this release's migrations; `None`: breaking.
    pub compatible_with: Option<u64>,
    pub env: BTreeMap<String, String>,
    pub env_secrets: Vec<String>,
}

/// What moves the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrateTool {
    /// The app's own commands.
    #[default]
    Command,
    /// Mainstay's own migrator.
    Sql {
        /// Of the files, below the release.
        folder: String,
        /// The variable that holds the database's address.
        database: String,
    },
    Alembic {
        /// Program and first arguments.
        program: Vec<String>,
    },
    Prisma {
        program: Vec<String>,
    },
}

/// One thing to do with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrateStep {
    Up,
    Status,
    /// Back to this schema, where the tool is told; commands of the app know for themselves.
    Down {
        to: u64,
    },
    Contract,
}

/// Who does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateWords {
    /// The app's command.
    Command(Vec<String>),
    /// Mainstay's own binary, which takes these words.
    Own(Vec<String>),
}

impl Migrate {
    /// How a step is done; `None`: there is no such step.
    pub fn words(&self, step: MigrateStep) -> Option<MigrateWords> {
        let command = |words: &Vec<String>| Some(MigrateWords::Command(words.clone()));
        let own_command = match step {
            MigrateStep::Up | MigrateStep::Status => None,
            MigrateStep::Down { .. } => self.down_command.as_ref(),
            MigrateStep::Contract => self.contract_command.as_ref(),
        };
        if let Some(words) = own_command {
            return command(words);
        }
        let words = |first: &[&str], program: &[String]| {
            let mut words = vec!["migrator".to_owned()];
            words.extend(first.iter().map(|word| (*word).to_owned()));
            words.extend_from_slice(program);
            words
        };
        let mut words = match (&self.tool, step) {
            (MigrateTool::Command, MigrateStep::Up) => return command(&self.command),
            (MigrateTool::Command, MigrateStep::Status) => return command(&self.status_command),
            (MigrateTool::Command, _) => return None,
            (MigrateTool::Sql { folder, database }, _) => words(&["sql", folder, database], &[]),
            (MigrateTool::Alembic { .. }, MigrateStep::Contract) => return None,
            (MigrateTool::Alembic { program }, _) => {
                words(&["alembic"], &[program.as_slice(), &["--".into()]].concat())
            }
            (MigrateTool::Prisma { program }, MigrateStep::Up | MigrateStep::Status) => {
                words(&["prisma"], &[program.as_slice(), &["--".into()]].concat())
            }
            (MigrateTool::Prisma { .. }, _) => return None,
        };
        match step {
            MigrateStep::Up => words.push("up".into()),
            MigrateStep::Status => words.push("status".into()),
            MigrateStep::Contract => words.push("contract".into()),
            MigrateStep::Down { to } => words.extend(["down".into(), to.to_string()]),
        }
        Some(MigrateWords::Own(words))
    }

    /// Whether there is a way back.
    pub fn goes_down(&self) -> bool {
        self.words(MigrateStep::Down { to: 0 }).is_some()
    }
}
