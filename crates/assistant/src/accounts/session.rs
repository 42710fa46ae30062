//! Sessions: opened by a password or a link, seen while they are used, listed and ended by whoever they belong to.

use kit::{Private, clock, sqlite::Durability};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::{Account, Accounts, over};
use crate::{
    audit::{self, Action},
    error::{Error, Result},
    ids,
};

/// Thirty days without a request end a session.
pub(crate) const IDLE_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// `last seen` is written at most this often, so that reading pages writes next to nothing.
const SEEN_STEP_MS: i64 = 5 * 60 * 1_000;

/// Where somebody signs in from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// IPv4 address, the first 64 bits of an IPv6 address, or `local`.
    pub(crate) address: String,
    /// `Firefox on Linux`; empty when nothing is known.
    pub(crate) device: String,
}

/// A session as it is handed out, once.
pub(crate) struct NewSession {
    pub(crate) account: Account,
    pub(crate) token: Private<String>,
    pub(crate) expires_at: i64,
}

/// A session as its owner sees it. Its id opens nothing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) device: String,
    pub(crate) address: String,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) created_at: i64,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) seen_at: i64,
    /// The one that asks.
    pub(crate) current: bool,
}

impl Accounts {
    /// Signs `account` in, whoever has found out that it is theirs.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn open_session(&self, account: Account, place: Place) -> Result<NewSession> {
        let token = Private::new(ids::new_token());
        let hash = self.token_hash(token.reveal());
        let now = clock::now_ms();
        let id = account.id.clone();
        let sql = "INSERT INTO sessions (token_hash, account_id, created_at, seen_at, id, device, address) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)";
        let work = move |tx: &Transaction<'_>| {
            tx.execute(sql, params![hash, id, now, ids::new_id(), place.device, place.address])?;
            audit::record(tx, &id, Action::SignedIn)
        };
        self.db.write(Durability::Full, work).await?;
        Ok(NewSession { account, token, expires_at: now + IDLE_MS })
    }

    /// Whose session this is.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn of_session(&self, token: &str) -> Result<Option<Account>> {
        let hash = self.token_hash(token);
        let looked_up = hash.clone();
        let found: Option<(Account, i64)> = self.db.read(move |db| find(db, &looked_up)).await?;
        let Some((account, seen_at)) = found else { return Ok(None) };
        let now = clock::now_ms();
        if now - seen_at > SEEN_STEP_MS {
            let sql = "UPDATE sessions SET seen_at = ?2 WHERE token_hash = ?1";
            // A database that refuses writes for a while must not sign people out.
            let _: Result<usize> =
                self.db.write(Durability::Process, move |tx| Ok(tx.execute(sql, params![hash, now])?)).await;
        }
        Ok(Some(account))
    }

    /// # Errors
    /// The database's.
    pub(crate) async fn sign_out(&self, token: &str) -> Result<()> {
        let hash = self.token_hash(token);
        self.db
            .write(Durability::Full, move |tx| {
                Ok::<_, Error>(tx.execute("DELETE FROM sessions WHERE token_hash = ?1", [hash])?)
            })
            .await?;
        Ok(())
    }

    /// Sessions of `who` that still open something, the last seen first. `token`: of the one that asks, which leads them.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn sessions(
        &self,
        who: &Account,
        token: &str,
        window: (u32, u32),
    ) -> Result<Vec<Session>> {
        let (account, hash) = (who.id.clone(), self.token_hash(token));
        self.db.read(move |db| list(db, (&account, &hash), window)).await
    }

    /// The session, for what is open as long as it is.
    pub(crate) fn watch(&self, token: &str) -> over::Session {
        self.watched.session(self.token_hash(token))
    }

    /// What the database knows a session by; for [`end_others`].
    pub(crate) fn token_hash(&self, token: &str) -> String {
        self.keyed("session", token)
    }
}

fn find(db: &Connection, hash: &str) -> Result<Option<(Account, i64)>> {
    let sql = "SELECT a.id, a.name, a.zone, s.seen_at FROM sessions s JOIN accounts a ON a.id = s.account_id
               WHERE s.token_hash = ?1 AND s.seen_at > ?2";
    let row =
        |row: &Row<'_>| Ok((Account { id: row.get(0)?, name: row.get(1)?, zone: row.get(2)? }, row.get(3)?));
    Ok(db.prepare_cached(sql)?.query_row(params![hash, clock::now_ms() - IDLE_MS], row).optional()?)
}

fn list(
    db: &Connection,
    (account, current): (&str, &str),
    (limit, offset): (u32, u32),
) -> Result<Vec<Session>> {
    let sql = "SELECT id, device, address, created_at, seen_at, token_hash = ?2 AS current FROM sessions
               WHERE account_id = ?1 AND seen_at > ?3 ORDER BY current DESC, seen_at DESC, id LIMIT ?4 OFFSET ?5";
    let row = |row: &Row<'_>| {
        Ok(Session {
            id: row.get("id")?,
            device: row.get("device")?,
            address: row.get("address")?,
            created_at: row.get("created_at")?,
            seen_at: row.get("seen_at")?,
            current: row.get("current")?,
        })
    };
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![account, current, clock::now_ms() - IDLE_MS, limit, offset], row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// Ends one session of `account`.
///
/// # Errors
/// It has no such session.
pub(crate) fn end(tx: &Transaction<'_>, account: &str, id: &str) -> Result<()> {
    let ended = tx.execute("DELETE FROM sessions WHERE account_id = ?1 AND id = ?2", [account, id])?;
    if ended == 0 { Err(Error::NotFound("session")) } else { Ok(()) }
}

/// Ends all sessions of `account` but the one with this hash. Returns how many.
///
/// # Errors
/// The database's.
pub(crate) fn end_others(tx: &Transaction<'_>, account: &str, hash: &str) -> Result<usize> {
    Ok(tx.execute("DELETE FROM sessions WHERE account_id = ?1 AND token_hash <> ?2", [account, hash])?)
}
