//! Accounts, passwords and sessions.
//!
//! Passwords are Argon2id (19 MiB, two passes), two at a time ([`password`]). A session is 256 random bits; the database
//! holds only their keyed hash ([`session`]). A name that does not exist costs as much as one that does, and guessing
//! becomes slow ([`guesses`]).

use jiff::tz::TimeZone;
use kit::{
    Private, clock,
    sqlite::{Database, Durability},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    error::{Error, Result},
    ids,
};

mod guesses;
mod hasher;
pub(crate) mod link;
pub(crate) mod over;
mod password;
pub(crate) mod session;

pub(crate) use session::{IDLE_MS, NewSession, Place};

/// A character that no screen shows, or that turns the order of those around it, so that a name reads as another.
pub(crate) fn is_unseen(c: char) -> bool {
    // The embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9, 2).
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

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

/// Checks passwords, two at a time: 19 MiB each, and a storm of logins must not starve everybody else.
pub(crate) struct Accounts {
    db: Database,
    secret_key: Option<Private<String>>,
    at_once: Semaphore,
    watched: over::Watched,
}

impl Accounts {
    pub(crate) fn new(db: Database, secret_key: Option<Private<String>>) -> Self {
        let watched = over::Watched::new(db.clone());
        Self { db, secret_key, at_once: Semaphore::new(2), watched }
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
        let is_name = !name.is_empty() && name.chars().count() <= 64 && !name.chars().any(is_unseen);
        if !is_name {
            return Err(Error::Invalid(
                "a name has 1 to 64 characters, all of which a screen shows in their order".to_owned(),
            ));
        }
        password::check(password.reveal())?;
        let hash = self.hash(password).await?;
        Ok((Account { id: ids::new_id(), name, zone: zone.to_owned() }, hash))
    }

    pub(crate) async fn any(&self) -> Result<bool> {
        self.db.read(|db| Ok(db.query_row("SELECT count(*) > 0 FROM accounts", [], |row| row.get(0))?)).await
    }

    /// The account of this name.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn named(&self, name: &str) -> Result<Option<Account>> {
        let name = name.to_owned();
        Ok(self.db.read(move |db| find_by_name(db, &name)).await?.map(|(account, _)| account))
    }

    /// `None`: wrong name or password. Slow after too many of them ([`guesses`]), never locked.
    pub(crate) async fn sign_in(
        &self,
        name: &str,
        password: Private<String>,
        place: Place,
    ) -> Result<Option<NewSession>> {
        let guess = self.guess(name, &place.address).await?;
        let wanted = name.to_owned();
        let found: Option<(Account, String)> = self.db.read(move |db| find_by_name(db, &wanted)).await?;
        let stored = found.as_ref().map(|(_, hash)| hash.clone());
        let right = self.verify(password, stored).await?;
        let Some((account, _)) = found.filter(|_| right) else { return Ok(None) };
        self.was_right(guess).await?;
        self.open_session(account, place).await.map(Some)
    }

    /// What a form of this session carries; another site cannot know it.
    pub(crate) fn csrf_token(&self, session: &str) -> String {
        self.keyed("csrf", session)
    }

    /// Hash of 256 random bits with a key before it: no length extension matters, since what follows is fixed in length.
    fn keyed(&self, purpose: &str, token: &str) -> String {
        let key = self.secret_key.as_ref().map_or("", |key| key.reveal());
        let inner = Sha256::digest(format!("{purpose}\0{key}\0{token}"));
        let outer = Sha256::digest([key.as_bytes(), b"\0", &inner].concat());
        ids::hex(&outer)
    }
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

/// Changes where an account's days begin.
pub(crate) fn set_zone(tx: &Transaction<'_>, account: &str, zone: &str) -> Result<()> {
    if TimeZone::get(zone).is_err() {
        return Err(Error::Invalid(format!("\"{zone}\" is no time zone; write one such as Europe/Madrid")));
    }
    tx.execute("UPDATE accounts SET zone = ?2 WHERE id = ?1", params![account, zone])?;
    Ok(())
}
