//! The words that the keeper starts the migrator with.

use std::path::PathBuf;

use model::Explain;

use crate::Verb;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Sql {
        /// Relative to the release.
        folder: PathBuf,
        /// The variable that holds the database's address.
        database: String,
    },
    Alembic {
        program: Vec<String>,
    },
    Prisma {
        program: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub tool: Tool,
    pub verb: Verb,
}

impl Arguments {
    /// `sql FOLDER VARIABLE VERB` or `alembic|prisma PROGRAM… -- VERB`; of `down` the version follows.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Explain> {
        let words: Vec<String> = words.into_iter().collect();
        let parsed = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["sql", folder, database, verb @ ..] => {
                let tool = Tool::Sql { folder: folder.into(), database: (*database).to_owned() };
                Some(tool).zip(parse_verb(verb))
            }
            [name @ ("alembic" | "prisma"), rest @ ..] => {
                rest.iter().rposition(|word| *word == "--").and_then(|at| {
                    let program = rest[..at].iter().map(|word| (*word).to_owned()).collect();
                    let tool =
                        if *name == "alembic" { Tool::Alembic { program } } else { Tool::Prisma { program } };
                    Some(tool).zip(parse_verb(&rest[at + 1..]))
                })
            }
            _ => None,
        };
        let (tool, verb) = parsed.ok_or_else(|| {
            Explain::new("migrator-usage", "these are no words for the migrator").caused_by(words.join(" "))
        })?;
        Ok(Self { tool, verb })
    }
}

fn parse_verb(words: &[&str]) -> Option<Verb> {
    match words {
        ["status"] => Some(Verb::Status),
        ["up"] => Some(Verb::Up),
        ["down", to] => Some(Verb::Down { to: to.parse().ok()? }),
        ["contract"] => Some(Verb::Contract),
        _ => None,
    }
}
