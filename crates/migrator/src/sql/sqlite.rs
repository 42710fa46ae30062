//! SQLite. Its one writer is the lock: each file is applied in an immediate transaction that looks again whether it is due.

use std::{path::Path, time::Duration};

use model::Explain;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{
    Database, TABLE,
    act::{Act, Applied, Part},
    ended_transaction, failed,
};
use crate::STEPS_MAX;

/// A writer of the app's holds the lock for moments.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

const WHERE: &str =
    "the migration runs as the app's user, and writes in the shared folder alone: `sqlite:{shared_dir}/…`";

pub(super) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// # Errors
    /// It cannot be opened or made.
    pub(super) fn open(path: &Path) -> Result<Self, Explain> {
        make_folder(path)?;
        let opened = Connection::open(path).and_then(|connection| {
            connection.busy_timeout(BUSY_LIMIT)?;
            // A table that is made anew under its old name must not take its children with it; what a file breaks is
            // looked for at its end (https://www.sqlite.org/lang_altertable.html, section 7).
            connection.pragma_update(None, "foreign_keys", false)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| {
            Explain::new("sql-not-opened", format!("cannot open {}", path.display()))
                .because(&error)
                .help(WHERE)
        })?;
        Ok(Self { connection })
    }

    fn in_transaction(&mut self, act: &Act) -> Result<(), Explain> {
        let told = |error: rusqlite::Error| failed(act, &error);
        let before = violations(&self.connection).map_err(told)?;
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
        if is_settled(&tx, act).map_err(told)? {
            return Ok(());
        }
        tx.execute_batch(&act.text.sql).map_err(told)?;
        if tx.is_autocommit() {
            return Err(ended_transaction(act));
        }
        if violations(&tx).map_err(told)? > before {
            let explain = Explain::new("sql-foreign-keys", format!("{act} leaves rows whose parent is gone"));
            return Err(explain
                .now("nothing of this file remains; those before it stand")
                .help("`PRAGMA foreign_key_check` tells them on a copy of the database"));
        }
        write_row(&tx, act, true).map_err(told)?;
        tx.commit().map_err(told)
    }

    fn outside_of_a_transaction(&self, act: &Act) -> Result<(), Explain> {
        let told = |error: rusqlite::Error| failed(act, &error);
        // Crash: the row says that it was begun; the next run begins it again.
        write_row(&self.connection, act, false).map_err(told)?;
        self.connection.execute_batch(&act.text.sql).map_err(told)?;
        write_row(&self.connection, act, true).map_err(told)
    }
}

/// SQLite makes a database and not the folder that it stands in.
fn make_folder(path: &Path) -> Result<(), Explain> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| {
        Explain::new(
            "sql-not-opened",
            format!("cannot make {}, where the database is to be", folder.display()),
        )
        .because(&error)
        .help(WHERE)
    })
}

impl Database for Sqlite {
    fn applied(&mut self) -> Result<Vec<Applied>, Explain> {
        let unreadable = |error: rusqlite::Error| {
            Explain::new("sql-unreadable", "cannot read what was applied to the database").because(&error)
        };
        let exists = self.connection.table_exists(None, TABLE).map_err(unreadable)?;
        if !exists {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT version, part = 'contract', file, checksum, is_done FROM {TABLE} LIMIT {}",
            2 * STEPS_MAX
        );
        let mut rows = self.connection.prepare(&sql).map_err(unreadable)?;
        let row = |row: &rusqlite::Row<'_>| {
            let version: i64 = row.get(0)?;
            Ok(Applied {
                version: version.cast_unsigned(),
                is_contract: row.get(1)?,
                file: row.get(2)?,
                checksum: row.get(3)?,
                is_done: row.get(4)?,
            })
        };
        let applied = rows.query_map([], row).and_then(Iterator::collect);
        applied.map_err(unreadable)
    }

    fn lock(&mut self) -> Result<(), Explain> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {TABLE} (
                version INTEGER NOT NULL, part TEXT NOT NULL, file TEXT NOT NULL, checksum TEXT NOT NULL,
                is_done INTEGER NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
                PRIMARY KEY (version, part)) STRICT"
        );
        self.connection.execute_batch(&sql).map_err(|error| {
            Explain::new("sql-not-writable", "cannot write down in the database what is applied")
                .because(&error)
        })
    }

    fn perform(&mut self, act: &Act) -> Result<(), Explain> {
        match act.text.transactional {
            true => self.in_transaction(act),
            false => self.outside_of_a_transaction(act),
        }
    }
}

/// Whether somebody was faster.
fn is_settled(connection: &Connection, act: &Act) -> rusqlite::Result<bool> {
    let part = if act.part == Part::Contract { "contract" } else { "up" };
    let sql = format!("SELECT is_done FROM {TABLE} WHERE version = ?1 AND part = ?2");
    let is_done: Option<bool> =
        connection.query_row(&sql, params![act.version.cast_signed(), part], |row| row.get(0)).optional()?;
    Ok(match act.part {
        Part::Down => is_done.is_none(),
        Part::Up | Part::Contract => is_done == Some(true),
    })
}

fn write_row(connection: &Connection, act: &Act, is_done: bool) -> rusqlite::Result<()> {
    let version = act.version.cast_signed();
    if act.part == Part::Down {
        // What was begun is not undone until it is.
        let sql = format!("DELETE FROM {TABLE} WHERE version = ?1 AND ?2");
        return connection.execute(&sql, params![version, is_done]).map(drop);
    }
    let sql = format!(
        "INSERT INTO {TABLE} (version, part, file, checksum, is_done) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (version, part) DO UPDATE SET
            file = excluded.file, checksum = excluded.checksum, is_done = excluded.is_done"
    );
    let row = params![version, act.part.name(), act.text.file, act.checksum, is_done];
    connection.execute(&sql, row).map(drop)
}

fn violations(connection: &Connection) -> rusqlite::Result<usize> {
    let mut rows = connection.prepare("PRAGMA foreign_key_check")?;
    let count = rows.query_map([], |_| Ok(()))?.count();
    Ok(count)
}
