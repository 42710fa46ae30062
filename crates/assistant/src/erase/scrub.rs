//! Makes the database's file forget what its tables have lost: merged indexes, then a file written anew, then no log.
//!
//! Deleting a row overwrites it (`secure_delete`), but pages that were moved, indexes that mark words as gone, and rows of
//! before that setting keep copies. `VACUUM` writes every page anew from what the tables hold.

use std::path::Path;

use kit::{
    clock,
    sqlite::{Database, DbError, Durability, open_writer},
};
use rusqlite::{Connection, Transaction, params};

use crate::error::{Error, Result};

/// How long a process may take for it before another tries.
const LEASE_MS: i64 = 30 * 60 * 1_000;

/// Asks for it, in the transaction that removed something for good.
///
/// # Errors
/// The database's.
pub(crate) fn ask(tx: &Transaction<'_>) -> Result<()> {
    let sql = "INSERT INTO scrubs (id, asked_at, lease_until) VALUES (1, ?1, 0)
               ON CONFLICT (id) DO UPDATE SET asked_at = ?1, lease_until = 0";
    tx.execute(sql, [clock::now_ms()])?;
    Ok(())
}

/// Does it if it was asked for and nobody else does. Others wait with what they write meanwhile.
///
/// # Errors
/// The disk is full, or others used the database all the time; it is tried again then.
pub(crate) async fn run(db: &Database) -> Result<bool> {
    let taken: bool = db
        .write(Durability::Process, |tx| {
            let now = clock::now_ms();
            let sql = "UPDATE scrubs SET lease_until = ?1 WHERE lease_until < ?2";
            Ok::<_, Error>(tx.execute(sql, params![now + LEASE_MS, now])? > 0)
        })
        .await?;
    if !taken {
        return Ok(false);
    }
    let path = db.path().to_owned();
    let scrubbed = tokio::task::spawn_blocking(move || scrub(&path)).await;
    let scrubbed = scrubbed.map_err(|_| DbError::Closed)?;
    let over = if scrubbed.is_ok() {
        "DELETE FROM scrubs WHERE lease_until > 0"
    } else {
        "UPDATE scrubs SET lease_until = 0"
    };
    db.write(Durability::Process, move |tx| Ok::<_, Error>(tx.execute(over, [])?)).await?;
    scrubbed.map(|()| true)
}

fn scrub(path: &Path) -> Result<()> {
    let db = open_writer(path)?;
    for index in indexes(&db)? {
        db.execute(&format!("INSERT INTO {index} ({index}) VALUES ('optimize')"), [])?;
    }
    db.execute_batch("VACUUM")?;
    let busy: bool = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(Error::Conflict(
            "others read the database all the time; its log could not be emptied".to_owned(),
        ));
    }
    Ok(())
}

fn indexes(db: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%USING fts5%'";
    let mut query = db.prepare(sql)?;
    let names = query.query_map([], |row| row.get(0))?;
    Ok(names.collect::<std::result::Result<_, _>>()?)
}
