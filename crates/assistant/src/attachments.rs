//! Files beside journal entries: their rows. The bytes are in [`store`], which kind they are says [`kind`].
//!
//! A row without a digest is an upload that goes on; whoever looks for attachments does not see it. Rows outlive their
//! entry for [`ORPHAN_MS`], so that an entry that was deleted comes back whole.

use kit::{clock, live};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::{
    accounts::is_unseen,
    error::{Error, Result},
    ids, journal,
};

pub(crate) mod kind;
pub(crate) mod store;
pub(crate) mod upload;

/// Bound: a file.
pub(crate) const FILE_BYTES_MAX: u64 = 10 * 1_024 * 1_024;
/// Bound: files of one entry, those that are still sent among them.
const OF_ENTRY_MAX: u32 = 50;
/// Bound: all files of one account.
const ACCOUNT_BYTES_MAX: u64 = 1_024 * 1_024 * 1_024;
const NAME_BYTES_MAX: usize = 200;
/// An upload that was not finished by then is removed.
pub(crate) const ABANDONED_MS: i64 = 24 * 3_600 * 1_000;
/// How long an attachment waits for its deleted entry to come back.
pub(crate) const ORPHAN_MS: i64 = 30 * 24 * 3_600 * 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    pub(crate) entry_id: String,
    pub(crate) name: String,
    /// Bytes; of an upload as announced.
    pub(crate) size: u64,
    /// Found in its bytes; none before it is whole.
    pub(crate) media: Option<String>,
    /// Hex of SHA-256; none before it is whole.
    pub(crate) digest: Option<String>,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) created_at: i64,
}

impl Attachment {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            entry_id: row.get("entry_id")?,
            name: row.get("name")?,
            size: row.get::<_, i64>("size")?.cast_unsigned(),
            media: row.get("media")?,
            digest: row.get("digest")?,
            created_at: row.get("created_at")?,
        })
    }

    pub(crate) fn is_image(&self) -> bool {
        self.media.as_deref().is_some_and(|media| media.starts_with("image/"))
    }
}

/// A name as it is shown and offered for download. It is no path: bytes lie under their digest.
///
/// # Errors
/// It is empty, too long, or reads like a path.
pub(crate) fn clean_name(name: &str) -> Result<String> {
    let name = name.trim();
    let wrong = if name.is_empty() {
        "is missing"
    } else if name.len() > NAME_BYTES_MAX {
        "has more than 200 bytes"
    } else if name == "." || name.contains(['/', '\\']) || name.contains("..") {
        "reads like a path; send it without folders, and neither \".\" nor with \"..\""
    } else if name.chars().any(is_unseen) {
        "has characters that no screen shows or that turn others around"
    } else {
        return Ok(name.to_owned());
    };
    Err(Error::Invalid(format!("the file's name {wrong}")))
}

/// Stores that a file of `size` bytes is going to be sent for `entry`.
///
/// # Errors
/// No such entry, a bad name or size, or one of the bounds above is reached.
pub(crate) fn announce(
    tx: &Transaction<'_>,
    account: &str,
    entry: &str,
    name: &str,
    size: u64,
) -> Result<Attachment> {
    journal::get(tx, account, entry)?;
    let name = clean_name(name)?;
    if size == 0 {
        return Err(Error::Invalid("the file is empty".to_owned()));
    }
    if size > FILE_BYTES_MAX {
        return Err(Error::TooLarge("a file has at most 10 MiB".to_owned()));
    }
    let sql = "SELECT count(*) FROM attachments WHERE account_id = ?1 AND entry_id = ?2";
    let beside: u32 = tx.query_row(sql, [account, entry], |row| row.get(0))?;
    if beside >= OF_ENTRY_MAX {
        return Err(Error::Invalid(format!("an entry has at most {OF_ENTRY_MAX} files")));
    }
    let new = Attachment {
        id: ids::new_id(),
        entry_id: entry.to_owned(),
        name,
        size,
        media: None,
        digest: None,
        created_at: clock::now_ms(),
    };
    insert(tx, account, &new)?;
    check_room(tx, account)?;
    Ok(new)
}

/// To be asked after rows were stored, in their transaction.
///
/// # Errors
/// The account's files are more than it may have.
pub(crate) fn check_room(tx: &Transaction<'_>, account: &str) -> Result<()> {
    let sql = "SELECT coalesce(sum(size), 0) FROM attachments WHERE account_id = ?1";
    let stored: i64 = tx.query_row(sql, [account], |row| row.get(0))?;
    if stored.cast_unsigned() > ACCOUNT_BYTES_MAX {
        let full = "your files would be more than the 1 GiB that an account has; remove some first";
        return Err(Error::TooLarge(full.to_owned()));
    }
    Ok(())
}

fn insert(tx: &Transaction<'_>, account: &str, new: &Attachment) -> Result<()> {
    let sql = "INSERT INTO attachments (id, account_id, entry_id, name, size, media, digest, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let size = new.size.cast_signed();
    tx.execute(
        sql,
        params![new.id, account, new.entry_id, new.name, size, new.media, new.digest, new.created_at],
    )?;
    Ok(())
}

/// One of `account`'s, whole or not.
///
/// # Errors
/// There is none.
pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Attachment> {
    let sql = "SELECT * FROM attachments WHERE account_id = ?1 AND id = ?2";
    db.prepare_cached(sql)?
        .query_row([account, id], Attachment::from_row)
        .optional()?
        .ok_or(Error::NotFound("attachment"))
}

/// The whole ones of these entries, in the order in which they came.
///
/// # Errors
/// The database's.
pub(crate) fn of_entries(db: &Connection, account: &str, entries: &[&str]) -> Result<Vec<Attachment>> {
    let sql = "SELECT * FROM attachments WHERE account_id = ?1 AND digest IS NOT NULL
               AND entry_id IN (SELECT value FROM json_each(?2)) ORDER BY created_at, id";
    let mut query = db.prepare_cached(sql)?;
    let wanted = serde_json::json!(entries).to_string();
    let rows = query.query_map(params![account, wanted], Attachment::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// The upload is whole: from now on everybody who looks sees it.
///
/// # Errors
/// The upload is gone.
pub(crate) fn complete(
    tx: &Transaction<'_>,
    account: &str,
    id: &str,
    digest: &str,
    media: &str,
) -> Result<()> {
    let sql =
        "UPDATE attachments SET digest = ?3, media = ?4 WHERE account_id = ?1 AND id = ?2 RETURNING entry_id";
    let entry: Option<String> =
        tx.query_row(sql, params![account, id, digest, media], |row| row.get(0)).optional()?;
    live::tell(tx, account, "journal", &entry.ok_or(Error::NotFound("attachment"))?)?;
    Ok(())
}

/// Removes the row. Returns the digest whose bytes nobody in the account needs any more, if so.
///
/// # Errors
/// There is none.
pub(crate) fn remove(tx: &Transaction<'_>, account: &str, id: &str) -> Result<Option<String>> {
    let gone = get(tx, account, id)?;
    tx.execute("DELETE FROM attachments WHERE account_id = ?1 AND id = ?2", [account, id])?;
    live::tell(tx, account, "journal", &gone.entry_id)?;
    let Some(digest) = gone.digest else { return Ok(None) };
    let sql = "SELECT count(*) > 0 FROM attachments WHERE account_id = ?1 AND digest = ?2";
    let needed: bool = tx.query_row(sql, [account, &digest], |row| row.get(0))?;
    Ok((!needed).then_some(digest))
}

/// Account and id of what is to be removed: uploads that were given up, and what lost its entry long ago.
///
/// # Errors
/// The database's.
pub(crate) fn overdue(tx: &Transaction<'_>, most: u32) -> Result<Vec<(String, String)>> {
    let now = clock::now_ms();
    let lost = "NOT EXISTS (SELECT 1 FROM journal_entries e WHERE e.id = attachments.entry_id)";
    tx.execute(
        &format!(
            "UPDATE attachments SET orphan_since = NULL WHERE orphan_since IS NOT NULL AND NOT ({lost})"
        ),
        [],
    )?;
    tx.execute(
        &format!("UPDATE attachments SET orphan_since = ?1 WHERE orphan_since IS NULL AND {lost}"),
        [now],
    )?;
    let sql = "SELECT account_id, id FROM attachments WHERE (digest IS NULL AND created_at < ?1) OR orphan_since < ?2 LIMIT ?3";
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map(params![now - ABANDONED_MS, now - ORPHAN_MS, most], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}
