//! Links that make an account: whoever holds one names themselves and chooses a password. Nobody signs up without.
//!
//! One link lives at a time, for [`LIFE_MS`]; the database holds only the keyed hash of its token, so it cannot be
//! printed twice. An account that is made, by the link or otherwise, ends it.

use kit::{Private, clock, sqlite::Durability};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Account, Accounts, insert};
use crate::{
    error::{Error, Result},
    ids,
};

/// A day: long enough for somebody who reads the log in the evening.
const LIFE_MS: i64 = 24 * 3_600 * 1_000;

/// A link as it is handed out, once.
#[derive(Debug)]
pub(crate) struct NewLink {
    pub(crate) token: Private<String>,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
}

/// What a start finds, or makes, where there is no account yet.
#[derive(Debug)]
pub(crate) enum First {
    /// There is an account: no link is needed.
    NotNeeded,
    Made(NewLink),
    /// Another process printed one that still works until then.
    Lives {
        expires_at: i64,
    },
}

impl Accounts {
    /// The link for the first account. Of processes that start at once exactly one gets [`First::Made`].
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn first_link(&self) -> Result<First> {
        let token = Private::new(ids::new_token());
        let hash = self.link_hash(token.reveal());
        let work = move |tx: &Transaction<'_>| {
            if tx.query_row("SELECT count(*) > 0 FROM accounts", [], |row| row.get(0))? {
                return Ok(First::NotNeeded);
            }
            let sql = "SELECT max(expires_at) FROM sign_up_links WHERE expires_at > ?1";
            let living: Option<i64> = tx.query_row(sql, [clock::now_ms()], |row| row.get(0))?;
            if let Some(expires_at) = living {
                return Ok(First::Lives { expires_at });
            }
            Ok::<_, Error>(First::Made(NewLink { expires_at: replace(tx, &hash)?, token }))
        };
        self.db.write(Durability::Full, work).await
    }

    /// A new link; any that was made before works no more.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn new_link(&self) -> Result<NewLink> {
        let token = Private::new(ids::new_token());
        let hash = self.link_hash(token.reveal());
        let expires_at = self.db.write(Durability::Full, move |tx| replace(tx, &hash)).await?;
        Ok(NewLink { token, expires_at })
    }

    /// Whether this token makes an account now.
    pub(crate) async fn link_lives(&self, token: &str) -> Result<bool> {
        let hash = self.link_hash(token);
        self.db.read(move |db| lives(db, &hash)).await
    }

    /// Makes the account that the link is for. The link ends with it, in one transaction.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the link was used or is too old. As [`Accounts::add`] for name and password; the link
    /// lives on then.
    pub(crate) async fn add_by_link(
        &self,
        token: &str,
        name: &str,
        password: Private<String>,
        zone: &str,
    ) -> Result<Account> {
        // First, so that strangers cannot make this machine hash.
        if !self.link_lives(token).await? {
            return Err(Error::NotFound("link"));
        }
        let hash_of_token = self.link_hash(token);
        let (account, hash) = self.draft(name, password, zone).await?;
        let new = account.clone();
        let work = move |tx: &Transaction<'_>| {
            if !lives(tx, &hash_of_token)? {
                return Err(Error::NotFound("link"));
            }
            insert(tx, &new, &hash)
        };
        self.db.write(Durability::Full, work).await?;
        Ok(account)
    }

    fn link_hash(&self, token: &str) -> String {
        self.keyed("link", token)
    }
}

/// No link works from here on.
pub(super) fn end(tx: &Transaction<'_>) -> Result<()> {
    tx.execute("DELETE FROM sign_up_links", [])?;
    Ok(())
}

fn replace(tx: &Transaction<'_>, hash: &str) -> Result<i64> {
    end(tx)?;
    let expires_at = clock::now_ms() + LIFE_MS;
    tx.execute(
        "INSERT INTO sign_up_links (token_hash, expires_at) VALUES (?1, ?2)",
        params![hash, expires_at],
    )?;
    Ok(expires_at)
}

fn lives(db: &Connection, hash: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM sign_up_links WHERE token_hash = ?1 AND expires_at > ?2";
    Ok(db.query_row(sql, params![hash, clock::now_ms()], |_| Ok(())).optional()?.is_some())
}
