//! What makes guessing passwords slow: of one name from one network, from one network at all names, at one name from
//! everywhere. Nobody is ever locked out, so nobody can lock somebody else out either.
//!
//! A try is counted before its password is looked at, so that many at once count each other, and taken back when it was
//! right. Rows hold keyed digests: the table names nobody.

use std::time::Duration;

use kit::{clock, sqlite::Durability};
use rusqlite::{Transaction, params};

use super::Accounts;
use crate::error::Result;

/// How long a wrong password counts.
pub(crate) const WINDOW_MS: i64 = 15 * 60 * 1_000;
/// Wrong passwords within [`WINDOW_MS`] that cost nothing extra, of one name from one network.
const FREE_OF_BOTH: u32 = 10;
/// The same from one network, whatever the names: a household or an office behind one address.
const FREE_OF_NETWORK: u32 = 50;
/// The same for one name, wherever they come from.
const FREE_OF_NAME: u32 = 100;

/// A try that was counted.
pub(super) struct Guess {
    /// Rows of this try.
    rows: Vec<i64>,
    /// Name and network together: forgiven as a whole by the right password.
    both: String,
}

impl Accounts {
    /// Counts a try, and waits as long as those before it make it wait.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn guess(&self, name: &str, network: &str) -> Result<Guess> {
        let name = name.trim().to_lowercase();
        let both = self.keyed("guess", &format!("both {name}\0{network}"));
        let counted = [
            (both.clone(), FREE_OF_BOTH),
            (self.keyed("guess", &format!("network {network}")), FREE_OF_NETWORK),
            (self.keyed("guess", &format!("name {name}")), FREE_OF_NAME),
        ];
        let (rows, wait) = self.db.write(Durability::Process, move |tx| count(tx, &counted)).await?;
        tokio::time::sleep(wait).await;
        Ok(Guess { rows, both })
    }

    /// The password was right: the try does not count, nor do those of the same name from the same network.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn was_right(&self, guess: Guess) -> Result<()> {
        let work = move |tx: &Transaction<'_>| {
            for row in guess.rows {
                tx.execute("DELETE FROM login_failures WHERE rowid = ?1", [row])?;
            }
            tx.execute("DELETE FROM login_failures WHERE who = ?1", [guess.both])?;
            Ok(())
        };
        self.db.write(Durability::Process, work).await
    }
}

/// The rows stored, and the longest wait that the counts ask for.
fn count(tx: &Transaction<'_>, counted: &[(String, u32)]) -> Result<(Vec<i64>, Duration)> {
    let now = clock::now_ms();
    tx.execute("DELETE FROM login_failures WHERE at < ?1", [now - WINDOW_MS])?;
    let (mut rows, mut wait) = (Vec::new(), Duration::ZERO);
    for (who, free) in counted {
        let before: u32 =
            tx.query_row("SELECT count(*) FROM login_failures WHERE who = ?1", [who], |row| row.get(0))?;
        if let Some(over) = before.checked_sub(*free) {
            // 1, 2, 4, 8 s and no more: guessing becomes useless long before a person gives up.
            wait = wait.max(Duration::from_secs(1 << over.min(3)));
        }
        tx.execute("INSERT INTO login_failures (who, at) VALUES (?1, ?2)", params![who, now])?;
        rows.push(tx.last_insert_rowid());
    }
    Ok((rows, wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(tries: impl IntoIterator<Item = (String, String)>) -> Vec<u64> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        let tx = db.transaction().expect("begins");
        let wait = |(name, network): (String, String)| {
            let counted = [
                (format!("{name} {network}"), FREE_OF_BOTH),
                (network, FREE_OF_NETWORK),
                (name, FREE_OF_NAME),
            ];
            count(&tx, &counted).expect("counts").1.as_secs()
        };
        tries.into_iter().map(wait).collect()
    }

    #[test]
    fn ten_of_one_name_from_one_network_are_free_then_each_waits_longer() {
        let waited = waits((0..16).map(|_| ("ana".to_owned(), "10.0.0.1".to_owned())));
        assert_eq!(waited[..10], [0; 10]);
        assert_eq!(waited[10..], [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn many_names_from_one_network_and_one_name_from_many_networks_are_slowed_too() {
        let sprayed = waits((0..52).map(|n| (format!("name {n}"), "10.0.0.1".to_owned())));
        assert_eq!(sprayed[49..], [0, 1, 2]);
        let spread = waits((0..102).map(|n| ("ana".to_owned(), format!("network {n}"))));
        assert_eq!(spread[99..], [0, 1, 2]);
    }
}
