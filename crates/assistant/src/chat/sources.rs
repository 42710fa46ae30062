//! Texts from elsewhere beside what a person says: a file, a page, a mail, an import. They keep their origin.
//!
//! Whatever rests on such a text bears its origin (`tainted_by`), and from there on nothing is changed by a model
//! before the person has said yes: the text may have been written to make it do so.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Message, branch};
use crate::error::{Error, Result};

/// Bound: texts beside one message.
const SOURCES_MAX: usize = 8;
/// Bound: one text.
const TEXT_CHARS_MAX: usize = 100_000;

/// The origin of what an import brought, as rows keep it.
pub(crate) const IMPORT: &str = "import";

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    File,
    Import,
    Mail,
    Page,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) origin: Origin,
    /// What the person knows it by: a file's name, a subject.
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Origin {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Import => IMPORT,
            Self::Mail => "mail",
            Self::Page => "page",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            IMPORT => Self::Import,
            "mail" => Self::Mail,
            "page" => Self::Page,
            _ => Self::File,
        }
    }
}

pub(super) fn attach(tx: &Transaction<'_>, account: &str, message: &str, sources: &[Source]) -> Result<()> {
    if sources.len() > SOURCES_MAX {
        return Err(Error::Invalid(format!("at most {SOURCES_MAX} texts go with one message")));
    }
    let sql = "INSERT INTO message_sources (message_id, position, account_id, origin, name, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for (n, source) in (0_u32..).zip(sources) {
        if source.text.chars().count() > TEXT_CHARS_MAX {
            return Err(Error::Invalid(format!("a text has at most {TEXT_CHARS_MAX} characters")));
        }
        let name: String = source.name.chars().filter(|c| !c.is_control()).take(200).collect();
        tx.execute(sql, params![message, n, account, source.origin.word(), name, source.text])?;
        taint(tx, message, source.origin.word())?;
    }
    Ok(())
}

pub(crate) fn of(db: &Connection, account: &str, message: &str) -> Result<Vec<Source>> {
    let sql = "SELECT origin, name, text FROM message_sources WHERE account_id = ?1 AND message_id = ?2 ORDER BY position";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([account, message], |row| {
        let origin: String = row.get(0)?;
        Ok(Source { origin: Origin::of(&origin), name: row.get(1)?, text: row.get(2)? })
    })?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// From now on the message rests on a text of this origin.
pub(crate) fn taint(tx: &Transaction<'_>, message: &str, origin: &str) -> Result<()> {
    let sql = "UPDATE messages SET tainted_by = coalesce(tainted_by, ?2) WHERE id = ?1";
    tx.execute(sql, [message, origin])?;
    Ok(())
}

/// The message tells of the account's rows: where any of them is from elsewhere, its words may be.
pub(crate) fn taint_by_rows(tx: &Transaction<'_>, account: &str, message: &str) -> Result<()> {
    let sql = "UPDATE messages SET tainted_by = coalesce(tainted_by, (SELECT origin FROM foreign_rows WHERE account_id = ?2 LIMIT 1))
               WHERE id = ?1";
    tx.execute(sql, [message, account])?;
    Ok(())
}

/// The origin that anything on the whole way to `tip` bears, however far back.
pub(crate) fn taint_of_way(db: &Connection, message: &Message) -> Result<Option<String>> {
    let sql = format!(
        "{} SELECT tainted_by FROM way JOIN messages ON messages.id = way.id
         WHERE tainted_by IS NOT NULL ORDER BY depth LIMIT 1",
        branch::WAY
    );
    let found: Option<String> = db
        .prepare_cached(&sql)?
        .query_row(params![message.conversation_id, message.id, u32::MAX], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// A row that an import, a file or a yes to a model in such a conversation brought. Whoever stores such rows says so here.
pub(crate) fn mark(tx: &Transaction<'_>, account: &str, kind: &str, id: &str, origin: &str) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO foreign_rows (account_id, kind, id, origin) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, [account, kind, id, origin])?;
    Ok(())
}

/// The origin of a row that did not come from the person.
pub(crate) fn of_row(db: &Connection, account: &str, kind: &str, id: &str) -> Result<Option<String>> {
    let sql = "SELECT origin FROM foreign_rows WHERE account_id = ?1 AND kind = ?2 AND id = ?3";
    Ok(db.prepare_cached(sql)?.query_row([account, kind, id], |row| row.get(0)).optional()?)
}
