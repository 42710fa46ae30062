//! Renaming and deleting a conversation, and back.

use kit::{clock, jobs};
use rusqlite::{Connection, Transaction, params};

use super::{Effect, Inverse, words};
use crate::{
    accounts::Account,
    chat,
    error::{Error, Result},
};

pub(super) fn rename(tx: &Transaction<'_>, who: &Account, id: &str, title: &str) -> Result<Effect> {
    let before = chat::get(tx, &who.id, id)?;
    let now = chat::clean_title(title)?;
    retitle(tx, id, &now)?;
    let reply = format!("The conversation is now called “{now}”.");
    let inverse = Inverse::RetitleConversation { id: id.to_owned(), title: before.title, now };
    Ok(Effect { inverse, reply, task: None, entry: None })
}

/// Hidden, not gone: housekeeping clears it away once it can no longer be undone. Answers that are being written stop.
pub(super) fn delete(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Effect> {
    let before = chat::get(tx, &who.id, id)?;
    let sql = "SELECT id FROM messages WHERE conversation_id = ?1 AND status IN ('waiting', 'running')";
    let mut query = tx.prepare(sql)?;
    let open = query.query_map([id], |row| row.get(0))?.collect::<std::result::Result<Vec<String>, _>>()?;
    for answer in open {
        jobs::ask_to_stop(tx, chat::QUEUE, &answer)?;
    }
    set_deleted(tx, id, Some(clock::now_ms()))?;
    let reply = words::deleted(&before.title);
    let inverse = Inverse::RestoreConversation { id: id.to_owned(), title: before.title };
    Ok(Effect { inverse, reply, task: None, entry: None })
}

pub(super) fn retitle(tx: &Transaction<'_>, id: &str, title: &str) -> Result<()> {
    tx.execute("UPDATE conversations SET title = ?2 WHERE id = ?1", [id, title])?;
    Ok(())
}

/// False: it is not there any more, or it was never deleted.
pub(super) fn restore(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<bool> {
    if !is_deleted(tx, who, id)? {
        return Ok(false);
    }
    set_deleted(tx, id, None)?;
    Ok(true)
}

fn set_deleted(tx: &Transaction<'_>, id: &str, at: Option<i64>) -> Result<()> {
    tx.execute("UPDATE conversations SET deleted_at = ?2 WHERE id = ?1", params![id, at])?;
    Ok(())
}

pub(super) fn is_deleted(db: &Connection, who: &Account, id: &str) -> Result<bool> {
    let sql =
        "SELECT count(*) > 0 FROM conversations WHERE account_id = ?1 AND id = ?2 AND deleted_at IS NOT NULL";
    Ok(db.query_row(sql, [&who.id, id], |row| row.get(0))?)
}

pub(super) fn is_called(db: &Connection, who: &Account, id: &str, title: &str) -> Result<bool> {
    match chat::get(db, &who.id, id) {
        Ok(conversation) => Ok(conversation.title == title),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
