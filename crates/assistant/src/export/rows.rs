//! Rows of an account as JSON, a table at a time: what is exported, and what is left out and why.
//!
//! Columns are taken as the database has them, so a column that a migration adds is exported and imported without a
//! word here. A table that holds an account's rows must stand in [`KINDS`] or in [`LEFT_OUT`]; a test holds it.

use rusqlite::{Connection, types::ValueRef};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// A table whose rows are exported.
pub(crate) struct Kind {
    /// Its word in the export.
    pub(crate) word: &'static str,
    pub(crate) table: &'static str,
    /// Which of the account's rows, as SQL.
    which: &'static str,
    /// Columns that stay behind, besides those of [`NEVER`].
    without: &'static [&'static str],
}

const OF_CONVERSATIONS: &str = "conversation_id IN (SELECT id FROM conversations WHERE deleted_at IS NULL)";

/// In this order, so that what is referred to comes first.
pub(crate) const KINDS: &[Kind] = &[
    Kind { word: "task", table: "tasks", which: "true", without: &[] },
    Kind { word: "entry", table: "journal_entries", which: "true", without: &[] },
    // Which branch is read follows from the last message; what was deleted stays behind.
    Kind {
        word: "conversation",
        table: "conversations",
        which: "deleted_at IS NULL",
        without: &["leaf_id", "deleted_at"],
    },
    Kind { word: "message", table: "messages", which: OF_CONVERSATIONS, without: &[] },
    Kind {
        word: "source",
        table: "message_sources",
        which: "message_id IN (SELECT id FROM messages m WHERE m.conversation_id IN (SELECT id FROM conversations WHERE deleted_at IS NULL))",
        without: &[],
    },
    // How to undo a command is only good for the rows that it touched, not for their copies.
    Kind { word: "command", table: "commands", which: "true", without: &["command", "inverse"] },
    Kind {
        word: "attachment",
        table: "attachments",
        which: "digest IS NOT NULL AND EXISTS (SELECT 1 FROM journal_entries e WHERE e.id = entry_id)",
        without: &["orphan_since"],
    },
];

/// Whose rows they are, and their place in the table: another one where they are imported.
const NEVER: [&str; 2] = ["account_id", "n"];

/// Tables with rows of an account that nobody would miss.
#[cfg(test)]
const LEFT_OUT: &[(&str, &str)] = &[
    ("sessions", "keys to this account here, of no use elsewhere"),
    ("answered", "answers to requests, kept for a day in case they come again"),
    (
        "answers",
        "what the box answered, kept for a month to be shown again; what was done stands among the commands",
    ),
    ("changes", "what changed in the last hour, without a word of it"),
    ("reading_habits", "how this account says times: asked again where it is missing"),
    ("mornings", "the hour of the morning summary here"),
    ("summaries", "told from tasks and entries, which come along"),
    ("reminders", "what was told here; tasks come along and are told when they are due"),
    ("foreign_rows", "all that is imported counts as from elsewhere"),
    ("tool_calls", "what a model did stands among the commands; what it only proposed is over"),
    ("model_spending", "what was used of this account's budget here"),
    ("search_rows", "the words of entries, tasks and conversations once more, to find them by"),
    ("questions", "the choices of what was asked back here; question and answer come along as messages"),
    ("erasures", "when this account is to be erased here"),
];

/// Calls `with` for each row of `account`, in the order in which they came.
///
/// # Errors
/// The database's, or `with`'s.
pub(crate) fn each(
    db: &Connection,
    kind: &Kind,
    account: &str,
    mut with: impl FnMut(Value) -> Result<()>,
) -> Result<()> {
    let sql = format!("SELECT * FROM {} WHERE account_id = ?1 AND {} ORDER BY rowid", kind.table, kind.which);
    let mut query = db.prepare(&sql)?;
    let columns: Vec<String> = query.column_names().map(str::to_owned).collect();
    let mut rows = query.query([account])?;
    while let Some(row) = rows.next()? {
        let mut object = Map::from_iter([("kind".to_owned(), json!(kind.word))]);
        for (n, column) in columns.iter().enumerate() {
            if is_carried(kind, column) {
                object.insert(column.clone(), value(row.get_ref(n)?)?);
            }
        }
        let mut row = Value::Object(object);
        if kind.word == "attachment" {
            row["file"] = json!(file(&row));
        }
        with(row)?;
    }
    Ok(())
}

pub(crate) fn is_carried(kind: &Kind, column: &str) -> bool {
    !NEVER.contains(&column) && !kind.without.contains(&column)
}

/// Where in the archive the bytes of an attachment lie.
pub(crate) fn file(attachment: &Value) -> String {
    let text = |name: &str| attachment[name].as_str().unwrap_or_default();
    format!("attachments/{}/{}", text("id"), text("name"))
}

fn value(of: ValueRef<'_>) -> Result<Value> {
    match of {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(json!(number)),
        ValueRef::Real(number) => Ok(json!(number)),
        ValueRef::Text(text) => Ok(json!(String::from_utf8_lossy(text))),
        ValueRef::Blob(_) => Err(Error::Invalid("bytes in a table cannot be exported".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_an_account_is_exported_or_left_out_for_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        let sql = "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c ON c.name = 'account_id' WHERE m.type = 'table'";
        let mut query = db.prepare(sql).expect("prepares");
        let tables = query.query_map([], |row| row.get::<_, String>(0)).expect("asks");
        for table in tables.map(|table| table.expect("a name")) {
            let exported = KINDS.iter().any(|kind| kind.table == table);
            let left_out = LEFT_OUT.iter().any(|(name, _)| *name == table);
            assert!(
                exported != left_out,
                "{table} holds rows of accounts: export it (KINDS), or say why not (LEFT_OUT)"
            );
        }
    }
}
