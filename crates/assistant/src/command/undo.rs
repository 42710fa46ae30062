//! Taking a command back, if nothing has touched its rows since; a conflict is told, never forced.

use kit::{clock, live};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::Inverse;
use crate::{
    accounts::Account,
    error::{Error, Result},
    journal, tasks,
};

/// Bound: how far back a list of commands goes.
pub(crate) const HISTORY: u32 = 50;

/// A command as the history shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Past {
    pub(crate) id: String,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) at: i64,
    pub(crate) understood: String,
    #[serde(skip)]
    pub(crate) reply: String,
    pub(crate) undone: bool,
}

/// Undoes the command `id` of `who`. Returns how that command had been understood.
///
/// # Errors
/// No such command; undone already; or what it would touch has changed since.
pub(crate) fn undo(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<String> {
    let sql =
        "SELECT understood, inverse, undone_at IS NOT NULL FROM commands WHERE account_id = ?1 AND id = ?2";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
    };
    let (understood, inverse, undone) =
        tx.query_row(sql, [&who.id, id], row).optional()?.ok_or(Error::NotFound("command"))?;
    if undone {
        return Err(Error::Conflict("that was undone already".to_owned()));
    }
    let inverse: Inverse = serde_json::from_str(&inverse).map_err(|_| {
        Error::Conflict("that was done by another release, which alone can undo it".to_owned())
    })?;
    if !put_back(tx, who, &inverse)? {
        return Err(Error::Conflict("it has changed since, so it stays as it is".to_owned()));
    }
    tx.execute("UPDATE commands SET undone_at = ?2 WHERE id = ?1", params![id, clock::now_ms()])?;
    let (kind, entity) = inverse.subject();
    live::tell(tx, &who.id, kind, entity)?;
    Ok(understood)
}

/// The last command that can be undone.
pub(crate) fn last(db: &Connection, who: &Account) -> Result<Option<String>> {
    let sql = "SELECT id FROM commands WHERE account_id = ?1 AND undone_at IS NULL ORDER BY n DESC LIMIT 1";
    Ok(db.query_row(sql, [&who.id], |row| row.get(0)).optional()?)
}

/// The last [`HISTORY`] commands, newest first.
pub(crate) fn history(db: &Connection, account: &str) -> Result<Vec<Past>> {
    let sql = "SELECT id, at, understood, reply, undone_at IS NOT NULL FROM commands WHERE account_id = ?1 ORDER BY n DESC LIMIT ?2";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![account, HISTORY], past)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// One command, to show after it was done.
pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Past> {
    let sql = "SELECT id, at, understood, reply, undone_at IS NOT NULL FROM commands WHERE account_id = ?1 AND id = ?2";
    db.query_row(sql, [account, id], past).optional()?.ok_or(Error::NotFound("command"))
}

fn past(row: &rusqlite::Row<'_>) -> rusqlite::Result<Past> {
    Ok(Past {
        id: row.get(0)?,
        at: row.get(1)?,
        understood: row.get(2)?,
        reply: row.get(3)?,
        undone: row.get(4)?,
    })
}

/// False: the row is at another revision than the command left it.
fn put_back(tx: &Transaction<'_>, who: &Account, inverse: &Inverse) -> Result<bool> {
    match inverse {
        Inverse::RemoveTask { id, rev } => tasks::delete(tx, &who.id, id, *rev),
        Inverse::RestoreTask { task, rev } => tasks::replace(tx, &who.id, task, *rev),
        Inverse::ReinsertTask { task } => {
            let mut task = task.clone();
            task.rev += 1;
            tasks::insert(tx, &who.id, &task).map(|()| true)
        }
        Inverse::RemoveEntry { id, rev } => journal::delete(tx, &who.id, id, *rev),
        Inverse::ReinsertEntry { entry } => {
            let mut entry = entry.clone();
            entry.rev += 1;
            journal::insert(tx, &who.id, &entry).map(|()| true)
        }
    }
}
