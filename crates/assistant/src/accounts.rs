//! Accounts, passwords and sessions.
//!
//! Passwords are Argon2id (19 MiB, two passes), two at a time. A session is 256 random bits; the database holds only
//! their keyed hash. A name that does not exist costs as much as one that does.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use jiff::tz::TimeZone;
use kit::{Private, clock, sqlite::Database, sqlite::Durability};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    error::{Error, Result},
    ids,
};

pub(crate) mod link;

/// Thirty days without a request end a session.
pub(crate) const IDLE_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// Wrong passwords of one name from one place within [`WINDOW_MS`] that cost nothing extra.
const FREE_FAILURES: u32 = 10;
const WINDOW_MS: i64 = 15 * 60 * 1_000;
/// `last seen` is written at most this often, so that reading pages writes next to nothing.
const SEEN_STEP_MS: i64 = 5 * 60 * 1_000;
const PASSWORD_CHARS_MIN: usize = 8;
/// Bound: Argon2 reads all of it.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// Whoever is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
    /// IANA name.
    pub(crate) zone: String,
}

impl Account {
    pub(crate) fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC)
    }

    /// The wall clock where the person lives.
    pub(crate) fn now(&self) -> jiff::Zoned {
        jiff::Timestamp::now().to_zoned(self.time_zone())
    }

    /// The wall clock at a stored instant.
    pub(crate) fn local(&self, ms: i64) -> jiff::Zoned {
        jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(self.time_zone())
    }
}

/// A session as it is handed out, once.
pub(crate) struct NewSession {
    pub(crate) account: Account,
    pub(crate) token: Private<String>,
    pub(crate) expires_at: i64,
}

/// Checks passwords, two at a time: 19 MiB each, and a storm of logins must not starve everybody else.
pub(crate) struct Accounts {
    db: Database,
    secret_key: Option<Private<String>>,
    at_once: Semaphore,
}

impl Accounts {
    pub(crate) fn new(db: Database, secret_key: Option<Private<String>>) -> Self {
        Self { db, secret_key, at_once: Semaphore::new(2) }
    }

    /// # Errors
    /// The name is taken or empty, or the password too short or too long.
    pub(crate) async fn add(&self, name: &str, password: Private<String>, zone: &str) -> Result<Account> {
        let (account, hash) = self.draft(name, password, zone).await?;
        let new = account.clone();
        self.db.write(Durability::Full, move |tx| insert(tx, &new, &hash)).await?;
        Ok(account)
    }

    /// An account that is not stored yet, and the hash of its password.
    async fn draft(&self, name: &str, password: Private<String>, zone: &str) -> Result<(Account, String)> {
        let name = name.trim().to_owned();
        let is_name = !name.is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control);
        if !is_name {
            return Err(Error::Invalid("a name has 1 to 64 characters".to_owned()));
        }
        check_password(password.reveal())?;
        let hash = self.hash(password).await?;
        Ok((Account { id: ids::new_id(), name, zone: zone.to_owned() }, hash))
    }

    pub(crate) async fn any(&self) -> Result<bool> {
        self.db.read(|db| Ok(db.query_row("SELECT count(*) > 0 FROM accounts", [], |row| row.get(0))?)).await
    }

    /// `None`: wrong name or password. `from` is the address that asks. Slow after [`FREE_FAILURES`], never locked.
    pub(crate) async fn sign_in(
        &self,
        name: &str,
        password: Private<String>,
        from: &str,
    ) -> Result<Option<NewSession>> {
        let who = format!("{} {from}", name.to_lowercase());
        self.slow_down(&who).await?;
        let wanted = name.to_owned();
        let found: Option<(Account, String)> = self.db.read(move |db| find_by_name(db, &wanted)).await?;
        let stored = found.as_ref().map(|(_, hash)| hash.clone());
        let right = self.verify(password, stored).await?;
        let Some((account, _)) = found.filter(|_| right) else {
            self.db.write(Durability::Process, move |tx| record_failure(tx, &who)).await?;
            return Ok(None);
        };
        self.open_session(account).await.map(Some)
    }

    /// Signs `account` in, whoever has found out that it is theirs.
    pub(crate) async fn open_session(&self, account: Account) -> Result<NewSession> {
        let token = Private::new(ids::new_token());
        let hash = self.token_hash(token.reveal());
        let now = clock::now_ms();
        let id = account.id.clone();
        let sql =
            "INSERT INTO sessions (token_hash, account_id, created_at, seen_at) VALUES (?1, ?2, ?3, ?3)";
        self.db
            .write(Durability::Full, move |tx| Ok::<_, Error>(tx.execute(sql, params![hash, id, now])?))
            .await?;
        Ok(NewSession { account, token, expires_at: now + IDLE_MS })
    }

    /// Whose session this is.
    pub(crate) async fn of_session(&self, token: &str) -> Result<Option<Account>> {
        let hash = self.token_hash(token);
        let looked_up = hash.clone();
        let found: Option<(Account, i64)> = self.db.read(move |db| find_session(db, &looked_up)).await?;
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

    pub(crate) async fn sign_out(&self, token: &str) -> Result<()> {
        let hash = self.token_hash(token);
        self.db
            .write(Durability::Full, move |tx| {
                Ok::<_, Error>(tx.execute("DELETE FROM sessions WHERE token_hash = ?1", [hash])?)
            })
            .await?;
        Ok(())
    }

    /// A new password, if `old` is right. All other sessions end. False: `old` is wrong.
    ///
    /// # Errors
    /// The new one is too short or too long.
    pub(crate) async fn change_password(
        &self,
        who: &Account,
        session: &str,
        old: Private<String>,
        new: Private<String>,
    ) -> Result<bool> {
        check_password(new.reveal())?;
        let name = who.name.clone();
        let found: Option<(Account, String)> = self.db.read(move |db| find_by_name(db, &name)).await?;
        if !self.verify(old, found.map(|(_, hash)| hash)).await? {
            return Ok(false);
        }
        let (hash, session, id) = (self.hash(new).await?, self.token_hash(session), who.id.clone());
        let work = move |tx: &Transaction<'_>| {
            tx.execute("UPDATE accounts SET password = ?2 WHERE id = ?1", params![id, hash])?;
            tx.execute(
                "DELETE FROM sessions WHERE account_id = ?1 AND token_hash <> ?2",
                params![id, session],
            )?;
            Ok::<_, Error>(())
        };
        self.db.write(Durability::Full, work).await?;
        Ok(true)
    }

    /// What a form of this session carries; another site cannot know it.
    pub(crate) fn csrf_token(&self, session: &str) -> String {
        self.keyed("csrf", session)
    }

    fn token_hash(&self, token: &str) -> String {
        self.keyed("session", token)
    }

    /// Hash of 256 random bits with a key before it: no length extension matters, since what follows is fixed in length.
    fn keyed(&self, purpose: &str, token: &str) -> String {
        let key = self.secret_key.as_ref().map_or("", |key| key.reveal());
        let inner = Sha256::digest(format!("{purpose}\0{key}\0{token}"));
        let outer = Sha256::digest([key.as_bytes(), b"\0", &inner].concat());
        ids::hex(&outer)
    }

    async fn slow_down(&self, who: &str) -> Result<()> {
        let who = who.to_owned();
        let failures: u32 = self.db.read(move |db| count_failures(db, &who)).await?;
        if failures >= FREE_FAILURES {
            // 1, 2, 4, 8 s and no more: guessing becomes useless long before a person gives up.
            let seconds = 1_u64 << (failures - FREE_FAILURES).min(3);
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        }
        Ok(())
    }

    async fn hash(&self, password: Private<String>) -> Result<String> {
        let _permit = self.at_once.acquire().await;
        let work = move || argon2().hash_password(password.reveal().as_bytes()).map(|hash| hash.to_string());
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(hash)) => Ok(hash),
            _ => Err(Error::Invalid("the password could not be hashed".to_owned())),
        }
    }

    async fn verify(&self, password: Private<String>, stored: Option<String>) -> Result<bool> {
        if password.reveal().len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let _permit = self.at_once.acquire().await;
        let work = move || match stored {
            Some(stored) => PasswordHash::new(&stored)
                .is_ok_and(|hash| argon2().verify_password(password.reveal().as_bytes(), &hash).is_ok()),
            // The same work for a name that is not there, so that time tells nobody who has an account.
            None => {
                let _ = argon2().hash_password(password.reveal().as_bytes());
                false
            }
        };
        Ok(tokio::task::spawn_blocking(work).await.unwrap_or(false))
    }
}

fn argon2() -> Argon2<'static> {
    // OWASP's second choice: 19 MiB, t = 2, p = 1. The numbers are valid, so the default is never taken.
    let params = Params::new(19 * 1_024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn check_password(password: &str) -> Result<()> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::Invalid(format!(
            "a password has {PASSWORD_CHARS_MIN} characters or more (and at most {PASSWORD_BYTES_MAX} bytes)"
        )));
    }
    Ok(())
}

fn insert(tx: &Transaction<'_>, account: &Account, hash: &str) -> Result<()> {
    let taken: bool =
        tx.query_row("SELECT count(*) > 0 FROM accounts WHERE name = ?1", [&account.name], |row| row.get(0))?;
    if taken {
        return Err(Error::Conflict(format!("there is an account named {} already", account.name)));
    }
    let sql = "INSERT INTO accounts (id, name, password, zone, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, params![account.id, account.name, hash, account.zone, clock::now_ms()])?;
    link::end(tx)
}

fn find_by_name(db: &Connection, name: &str) -> Result<Option<(Account, String)>> {
    let sql = "SELECT id, name, zone, password FROM accounts WHERE name = ?1";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((Account { id: row.get(0)?, name: row.get(1)?, zone: row.get(2)? }, row.get(3)?))
    };
    Ok(db.query_row(sql, [name.trim()], row).optional()?)
}

fn find_session(db: &Connection, hash: &str) -> Result<Option<(Account, i64)>> {
    let sql = "SELECT a.id, a.name, a.zone, s.seen_at FROM sessions s JOIN accounts a ON a.id = s.account_id
               WHERE s.token_hash = ?1 AND s.seen_at > ?2";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((Account { id: row.get(0)?, name: row.get(1)?, zone: row.get(2)? }, row.get(3)?))
    };
    Ok(db.prepare_cached(sql)?.query_row(params![hash, clock::now_ms() - IDLE_MS], row).optional()?)
}

fn record_failure(tx: &Transaction<'_>, who: &str) -> Result<()> {
    let now = clock::now_ms();
    tx.execute("DELETE FROM login_failures WHERE at < ?1", [now - WINDOW_MS])?;
    tx.execute("INSERT INTO login_failures (who, at) VALUES (?1, ?2)", params![who, now])?;
    Ok(())
}

fn count_failures(db: &Connection, who: &str) -> Result<u32> {
    let sql = "SELECT count(*) FROM login_failures WHERE who = ?1 AND at > ?2";
    Ok(db.query_row(sql, params![who, clock::now_ms() - WINDOW_MS], |row| row.get(0))?)
}

/// Changes where an account's days begin.
pub(crate) fn set_zone(tx: &Transaction<'_>, account: &str, zone: &str) -> Result<()> {
    if TimeZone::get(zone).is_err() {
        return Err(Error::Invalid(format!("\"{zone}\" is no time zone; write one such as Europe/Madrid")));
    }
    tx.execute("UPDATE accounts SET zone = ?2 WHERE id = ?1", params![account, zone])?;
    Ok(())
}
