//! Passwords: how they are hashed, looked at and changed.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use kit::{Private, sqlite::Durability};
use rusqlite::{Transaction, params};

use super::{Account, Accounts, find_by_name, hasher::Hasher, session};
use crate::{
    audit::{self, Action},
    error::{Error, Result},
};

const CHARS_MIN: usize = 8;
/// Bound: Argon2 reads all of it.
const BYTES_MAX: usize = 1_024;

impl Accounts {
    /// Whether `password` is the one of `who`. Counts as a try from `network`, and is slowed like one.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn is_password(
        &self,
        who: &Account,
        password: Private<String>,
        network: &str,
    ) -> Result<bool> {
        let guess = self.guess(&who.name, network).await?;
        let name = who.name.clone();
        let found: Option<(Account, String)> = self.db.read(move |db| find_by_name(db, &name)).await?;
        let right = self.verify(password, found.map(|(_, hash)| hash)).await?;
        if right {
            self.was_right(guess).await?;
        }
        Ok(right)
    }

    /// A new password, if `old` is right. All sessions but `session` end. False: `old` is wrong.
    ///
    /// # Errors
    /// The new one is too short or too long, or the one that there is.
    pub(crate) async fn change_password(
        &self,
        who: &Account,
        session: &str,
        network: &str,
        (old, new): (Private<String>, Private<String>),
    ) -> Result<bool> {
        check(new.reveal())?;
        let is_same = old.reveal() == new.reveal();
        if !self.is_password(who, old, network).await? {
            return Ok(false);
        }
        // Told to whoever knows the old one alone.
        if is_same {
            return Err(Error::Invalid("a new password is another one than you have now".to_owned()));
        }
        let (hash, session, id) = (self.hash(new).await?, self.token_hash(session), who.id.clone());
        let work = move |tx: &Transaction<'_>| {
            tx.execute("UPDATE accounts SET password = ?2 WHERE id = ?1", params![id, hash])?;
            session::end_others(tx, &id, &session)?;
            audit::record(tx, &id, Action::PasswordChanged)
        };
        self.db.write(Durability::Full, work).await?;
        Ok(true)
    }

    pub(super) async fn hash(&self, password: Private<String>) -> Result<String> {
        let _permit = self.at_once.acquire().await;
        let work =
            move || Hasher::new().hash_password(password.reveal().as_bytes()).map(|hash| hash.to_string());
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(hash)) => Ok(hash),
            _ => Err(Error::Invalid("the password could not be hashed".to_owned())),
        }
    }

    pub(super) async fn verify(&self, password: Private<String>, stored: Option<String>) -> Result<bool> {
        if password.reveal().len() > BYTES_MAX {
            return Ok(false);
        }
        let _permit = self.at_once.acquire().await;
        let work = move || is_right(password.reveal(), stored.as_deref());
        Ok(tokio::task::spawn_blocking(work).await.unwrap_or(false))
    }
}

/// `stored`: the hash of the right one; none where there is no such name.
fn is_right(password: &str, stored: Option<&str>) -> bool {
    match stored {
        Some(stored) => PasswordHash::new(stored)
            .is_ok_and(|hash| Hasher::new().verify_password(password.as_bytes(), &hash).is_ok()),
        // The same work for a name that is not there, so that time tells nobody who has an account.
        None => {
            let _ = Hasher::new().hash_password(password.as_bytes());
            false
        }
    }
}

pub(super) fn check(password: &str) -> Result<()> {
    if password.chars().count() < CHARS_MIN || password.len() > BYTES_MAX {
        return Err(Error::Invalid(format!(
            "a password has {CHARS_MIN} characters or more (and at most {BYTES_MAX} bytes)"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    /// What the processor did for it, which other work on the machine does not change.
    fn cost(password: &str, stored: Option<&str>) -> Duration {
        let spent = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a time");
        let once = || {
            let began = spent();
            assert!(!is_right(password, stored));
            spent() - began
        };
        (0..5).map(|_| once()).min().expect("five")
    }

    #[test]
    fn a_name_that_nobody_has_costs_what_one_costs_that_somebody_has() {
        let stored = Hasher::new().hash_password(b"correct horse").expect("hashes").to_string();
        assert!(is_right("correct horse", Some(&stored)));
        let (known, unknown) = (cost("not this one", Some(&stored)), cost("not this one", None));
        assert!(unknown * 2 > known && known * 2 > unknown, "{known:?} and {unknown:?} tell who is there");
        assert!(known > Duration::from_millis(5), "{known:?} is no work: guessing would be cheap");
    }
}
