//! `migrate.tool`: what moves the database where the app brings no commands for it.

use model::manifest::MigrateTool;

use super::super::text;
use crate::config::{decode::Section, problem::Problem};

/// As it is written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sql,
    Alembic,
    Prisma,
}

const KINDS: [(&str, Kind); 3] = [("sql", Kind::Sql), ("alembic", Kind::Alembic), ("prisma", Kind::Prisma)];
const FOLDER: &str = "migrations";
const DATABASE: &str = "DATABASE_URL";

/// `None`: the app's own commands do it.
pub(super) fn tool(section: &mut Section<'_, '_, '_>) -> Option<MigrateTool> {
    let kind = section.one_of("tool", &KINDS)?;
    let why = "has no place beside `tool`";
    for key in ["command", "status_command"] {
        section.refuse(
            key,
            "tool-and-command",
            why,
            "the tool says how the database is moved, and where it is",
        );
    }
    Some(match kind {
        Kind::Sql => sql(section),
        Kind::Alembic => MigrateTool::Alembic { program: program(section, &["alembic"]) },
        Kind::Prisma => MigrateTool::Prisma { program: program(section, &["npx", "--no", "prisma"]) },
    })
}

fn sql(section: &mut Section<'_, '_, '_>) -> MigrateTool {
    section.refuse(
        "program",
        "tool-and-command",
        "is not for `tool = \"sql\"`",
        "it is Mainstay's own: leave it out",
    );
    let folder = section.string("folder").filter(|folder| text::inner_path(section, "folder", folder));
    let database = section.string("database");
    MigrateTool::Sql {
        folder: folder.map_or_else(|| FOLDER.to_owned(), |at| at.value),
        database: database.map_or_else(|| DATABASE.to_owned(), |at| at.value),
    }
}

fn program(section: &mut Section<'_, '_, '_>, usual: &[&str]) -> Vec<String> {
    for key in ["folder", "database"] {
        section.refuse(
            key,
            "tool-and-command",
            "is for `tool = \"sql\"`",
            "this tool has a configuration of its own",
        );
    }
    let span = section.span_of("program");
    let Some(words) = text::command(section, "program") else {
        return usual.iter().map(|word| (*word).to_owned()).collect();
    };
    if words.iter().any(|word| !text::used(word).is_empty()) {
        let problem = Problem::new("unknown-placeholder", span, "`program` takes no placeholders");
        section.problem(problem.help("it is started in the release: `./venv/bin/alembic` is below it"));
    }
    words
}

/// The variable of the address must come from somewhere.
pub(super) fn check_database(
    section: &mut Section<'_, '_, '_>,
    tool: &MigrateTool,
    is_set: impl Fn(&str) -> bool,
) {
    let MigrateTool::Sql { database, .. } = tool else { return };
    if !is_set(database) {
        let span = section.span_of(if section.has("database") { "database" } else { "tool" });
        let message = format!("nothing sets {database}, which says where the database is");
        section.problem(Problem::new("no-database", span, message).help(
            "`env_secrets` in [migrate] for an address with a password, else `env`: `sqlite:{shared_dir}/data/app.db`; `database` names another variable",
        ));
    }
}
