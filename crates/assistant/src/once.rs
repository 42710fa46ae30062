//! Doing things once: an answer is stored under its key in the transaction of what it did, and given again to whoever
//! asks again with the same key.
//!
//! Keys come from clients (`Idempotency-Key`), from forms, and from answers that are begun a second time.

use kit::clock;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    ids,
};

/// How long a key is remembered.
pub(crate) const KEPT_MS: i64 = 24 * 3_600 * 1_000;

/// A key, and a digest of what was asked under it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    key: String,
    request: String,
}

/// An answer as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// It was given before; nothing was done now.
    pub(crate) replayed: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, body, replayed: false }
    }
}

impl Key {
    /// `about`: what tells requests apart, such as path and body.
    pub(crate) fn new(key: &str, about: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in about {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Self { key: key.to_owned(), request: ids::hex(&hash.finalize()) }
    }

    /// Of a page's form, whose key came with the page: sent from there once more with other words, it is meant as another
    /// change.
    pub(crate) fn of_form(key: &str, about: &[&[u8]]) -> Self {
        let Self { request, .. } = Self::new(key, about);
        Self { key: format!("form {key} {request}"), request }
    }
}

/// Runs `work` unless `key` has an answer already. Without a key it always runs.
///
/// # Errors
/// `work`'s (then nothing is stored), or [`Error::KeyReused`].
pub(crate) fn once(
    tx: &Transaction<'_>,
    account: &str,
    key: Option<&Key>,
    work: impl FnOnce() -> Result<Reply>,
) -> Result<Reply> {
    let Some(key) = key else { return work() };
    if let Some(reply) = answered(tx, account, key)? {
        return Ok(reply);
    }
    let (Key { key, request }, reply) = (key, work()?);
    let sql =
        "INSERT INTO answered (account_id, key, request, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(sql, params![account, key, request, reply.status, reply.body.to_string(), clock::now_ms()])?;
    Ok(reply)
}

/// The answer that `key` has already. Whoever compares a row with what was read before asks this too: the change that
/// the row shows may be the one that was made under this key.
///
/// # Errors
/// [`Error::KeyReused`], or the database's.
pub(crate) fn answered(db: &Connection, account: &str, Key { key, request }: &Key) -> Result<Option<Reply>> {
    let sql = "SELECT request, status, body FROM answered WHERE account_id = ?1 AND key = ?2";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, u16>(1)?, row.get::<_, String>(2)?))
    };
    match db.query_row(sql, [account, key], row).optional()? {
        Some((earlier, _, _)) if earlier != *request => Err(Error::KeyReused),
        Some((_, status, body)) => {
            let body = serde_json::from_str(&body).unwrap_or(Value::Null);
            Ok(Some(Reply { status, body, replayed: true }))
        }
        None => Ok(None),
    }
}
