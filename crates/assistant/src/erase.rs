//! Erasing an account: asked for, cancelled for seven days, then done for good.
//!
//! First the account's pseudonym goes into [`list`], a file beside the database, so that a restored older copy can be
//! erased again ([`replay`]). Then its rows go in one transaction, then its files, then what the database's file still
//! holds of them ([`scrub`]). Each step finds what a crash left of the one before.

use std::path::Path;

use kit::{
    clock,
    sqlite::{Database, Durability},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::{
    accounts::Account,
    attachments::store::{Store, StoreError},
    audit::{self, Action},
    day,
    error::{Error, Result},
};

pub(crate) mod list;
pub(crate) mod scrub;

/// How long whoever asked may think better of it.
pub(crate) const WAIT_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// Marks the account; returns when it is erased, in milliseconds since 1970. Asked again, the first time stands.
///
/// # Errors
/// The database's.
pub(crate) fn ask(tx: &Transaction<'_>, who: &Account) -> Result<i64> {
    let now = clock::now_ms();
    let sql =
        "INSERT INTO erasures (account_id, asked_at, erase_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    if tx.execute(sql, params![who.id, now, now + WAIT_MS])? > 0 {
        audit::record(tx, &who.id, Action::EraseAsked)?;
    }
    asked(tx, &who.id)?.ok_or(Error::NotFound("account"))
}

/// # Errors
/// Nobody asked for it.
pub(crate) fn cancel(tx: &Transaction<'_>, who: &Account) -> Result<()> {
    if tx.execute("DELETE FROM erasures WHERE account_id = ?1", [&who.id])? == 0 {
        return Err(Error::NotFound("erasure"));
    }
    audit::record(tx, &who.id, Action::EraseCancelled)
}

/// When the account is erased, if that was asked for.
///
/// # Errors
/// The database's.
pub(crate) fn asked(db: &Connection, account: &str) -> Result<Option<i64>> {
    let sql = "SELECT erase_at FROM erasures WHERE account_id = ?1";
    Ok(db.query_row(sql, [account], |row| row.get(0)).optional()?)
}

/// Erases every account whose time has come. Returns how many.
///
/// # Errors
/// The database's or the disk's; what was begun is taken up the next time.
pub(crate) async fn run_due(db: &Database, store: &Store, list: &Path) -> Result<usize> {
    let due: Vec<String> = db
        .read(|db| {
            let mut query = db.prepare("SELECT account_id FROM erasures WHERE erase_at <= ?1")?;
            let rows = query.query_map([clock::now_ms()], |row| row.get(0))?;
            Ok::<_, Error>(rows.collect::<std::result::Result<_, _>>()?)
        })
        .await?;
    erase_all(db, store, list, due).await
}

/// Erases every account that is in `list`: it was erased before, and came back with an older copy of the database.
///
/// # Errors
/// As [`run_due`]; the list cannot be read.
pub(crate) async fn replay(db: &Database, store: &Store, list: &Path) -> Result<usize> {
    let erased = list::read(list)?;
    if erased.is_empty() {
        return Ok(0);
    }
    let again: Vec<String> = db
        .read(move |db| {
            let mut query = db.prepare("SELECT id FROM accounts")?;
            let ids =
                query.query_map([], |row| row.get(0))?.collect::<std::result::Result<Vec<String>, _>>()?;
            Ok::<_, Error>(ids.into_iter().filter(|id| erased.contains(&audit::pseudonym(id))).collect())
        })
        .await?;
    erase_all(db, store, list, again).await
}

async fn erase_all(db: &Database, store: &Store, list: &Path, accounts: Vec<String>) -> Result<usize> {
    for account in &accounts {
        // Crash: before the rows are gone the account is in the list, and the next run erases it all the same.
        list::add(list, &audit::pseudonym(account))?;
        let id = account.clone();
        db.write(Durability::Full, move |tx| rows(tx, &id)).await?;
        // Crash: files of an account that is not there any more are removed by the upkeep.
        store.erase(account).map_err(StoreError::from)?;
        tracing::info!("an account was erased");
    }
    Ok(accounts.len())
}

/// Removes every row of the account, in all tables that have some, and asks for the scrub.
fn rows(tx: &Transaction<'_>, account: &str) -> Result<()> {
    let of_messages = "(SELECT id FROM messages WHERE account_id = ?1)";
    tx.execute(&format!("DELETE FROM stream_chunks WHERE stream IN {of_messages}"), [account])?;
    tx.execute(&format!("DELETE FROM jobs WHERE subject IN {of_messages}"), [account])?;
    day::forget(tx, account)?;
    for table in tables(tx)? {
        tx.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), [account])?;
    }
    if tx.execute("DELETE FROM accounts WHERE id = ?1", [account])? > 0 {
        audit::record(tx, account, Action::Erased)?;
        scrub::ask(tx)?;
    }
    Ok(())
}

/// Tables whose rows say whose they are.
fn tables(db: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c ON c.name = 'account_id' WHERE m.type = 'table'";
    let mut query = db.prepare(sql)?;
    let names = query.query_map([], |row| row.get(0))?;
    Ok(names.collect::<std::result::Result<_, _>>()?)
}
