//! What the box answered, kept so that it has an address: shown again after a reload, led to by a form that is sent twice.
//!
//! The id of an answer is that of the command which it did. A question is answered once.

use kit::clock;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::say::Said;
use crate::error::{Error, Result};

/// How long an answer has its address, unless its account keeps what was done for less.
pub(crate) const KEPT_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// An answer of the box.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: String,
    /// As it was said.
    pub(crate) sentence: String,
    pub(crate) said: Said,
    /// Path of the page that it was said on.
    pub(crate) back: String,
    /// Of a question: the answer that choosing led to.
    pub(crate) chosen: Option<String>,
}

/// # Errors
/// The database's.
pub(crate) fn keep(
    tx: &Transaction<'_>,
    account: &str,
    Kept { id, sentence, said, back, chosen }: &Kept,
) -> Result<()> {
    let said = serde_json::to_string(said).map_err(|error| Error::Invalid(error.to_string()))?;
    let sql = "INSERT INTO answers (id, account_id, sentence, said, back, at, chosen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.execute(sql, params![id, account, sentence, said, back, clock::now_ms(), chosen])?;
    Ok(())
}

/// `None`: the account has no such answer, or its time is over.
///
/// # Errors
/// The database's.
pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Option<Kept>> {
    let sql = "SELECT sentence, said, back, chosen FROM answers WHERE account_id = ?1 AND id = ?2";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get::<_, Option<String>>(3)?))
    };
    let Some((sentence, said, back, chosen)) =
        db.prepare_cached(sql)?.query_row([account, id], row).optional()?
    else {
        return Ok(None);
    };
    // Of another release's words that this one does not know nothing can be shown.
    let Ok(said) = serde_json::from_str(&said) else { return Ok(None) };
    Ok(Some(Kept { id: id.to_owned(), sentence, said, back, chosen }))
}

/// The question `id` is answered by `answer`. Returns the answer that it had before: then nothing is to be done.
///
/// # Errors
/// The database's.
pub(crate) fn choose(tx: &Transaction<'_>, account: &str, id: &str, answer: &str) -> Result<Option<String>> {
    let sql = "UPDATE answers SET chosen = ?3 WHERE account_id = ?1 AND id = ?2 AND chosen IS NULL";
    if tx.execute(sql, [account, id, answer])? > 0 {
        return Ok(None);
    }
    Ok(get(tx, account, id)?.and_then(|kept| kept.chosen))
}
