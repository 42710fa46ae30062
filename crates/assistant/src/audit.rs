//! The audit: who signed in, changed a password, took their data out or had it erased, as a chain of hashes.
//!
//! Each row holds the hash of the one before it, so a row that was changed, removed or put in breaks the chain
//! ([`verify`]). A cut end breaks nothing: an operator writes the newest hash down elsewhere and compares. Rows name an
//! account by a digest of its id, which leads nowhere once the account is erased. Rows are never removed.

use kit::clock;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::{error::Result, ids};

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    SignedIn,
    PasswordChanged,
    Exported,
    Imported,
    EraseAsked,
    EraseCancelled,
    Erased,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::SignedIn => "signed in",
            Self::PasswordChanged => "password changed",
            Self::Exported => "exported",
            Self::Imported => "imported",
            Self::EraseAsked => "erasure asked for",
            Self::EraseCancelled => "erasure cancelled",
            Self::Erased => "erased",
        }
    }
}

/// One row, by its place and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// From 1; 0 before the first row.
    pub(crate) n: i64,
    pub(crate) hash: String,
}

/// Why the chain cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error(
        "row {0} is not what was written: it was changed, or one before it was changed, removed or put in"
    )]
    Row(i64),
    #[error("row {0}, which was there before, is gone: the end of the audit was cut off")]
    Cut(i64),
    #[error("row {0} has another hash than it had: the audit was written anew")]
    Rewritten(i64),
}

/// What an account is called where its name may not stand: hex of SHA-256 over its id. Ids hold 80 random bits, so
/// nobody finds the id by trying.
pub(crate) fn pseudonym(account: &str) -> String {
    ids::hex(&Sha256::digest(format!("account\0{account}")))
}

/// Records `action` of `account`, in the transaction that does it.
///
/// # Errors
/// The database's.
pub(crate) fn record(tx: &Transaction<'_>, account: &str, action: Action) -> Result<()> {
    record_as(tx, &pseudonym(account), action)
}

/// The same for an account of which only the pseudonym is known.
///
/// # Errors
/// The database's.
pub(crate) fn record_as(tx: &Transaction<'_>, who: &str, action: Action) -> Result<()> {
    let before = head(tx)?;
    let (n, at) = (before.n + 1, clock::now_ms());
    let hash = hash(&before.hash, n, at, who, action.word());
    let sql = "INSERT INTO audit (n, at, who, action, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(sql, params![n, at, who, action.word(), before.hash, hash])?;
    Ok(())
}

/// The newest row.
///
/// # Errors
/// The database's.
pub(crate) fn head(db: &Connection) -> Result<Head> {
    let newest = db
        .query_row("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1", [], |row| {
            Ok(Head { n: row.get(0)?, hash: row.get(1)? })
        })
        .optional()?;
    Ok(newest.unwrap_or(Head { n: 0, hash: String::new() }))
}

/// Reads the whole chain; `known` is a row that was the newest at some time. Returns the newest one now.
///
/// # Errors
/// The database's outside, what is wrong with the chain inside.
pub(crate) fn verify(db: &Connection, known: Option<&Head>) -> Result<std::result::Result<Head, Broken>> {
    let mut query = db.prepare("SELECT n, at, who, action, previous, hash FROM audit ORDER BY n")?;
    let mut rows = query.query([])?;
    let mut last = Head { n: 0, hash: String::new() };
    while let Some(row) = rows.next()? {
        let n: i64 = row.get("n")?;
        let (who, action): (String, String) = (row.get("who")?, row.get("action")?);
        let (previous, stored): (String, String) = (row.get("previous")?, row.get("hash")?);
        let told = hash(&last.hash, n, row.get("at")?, &who, &action);
        if n != last.n + 1 || previous != last.hash || stored != told {
            return Ok(Err(Broken::Row(n)));
        }
        if known.is_some_and(|known| known.n == n && known.hash != stored) {
            return Ok(Err(Broken::Rewritten(n)));
        }
        last = Head { n, hash: stored };
    }
    match known {
        Some(known) if known.n > last.n => Ok(Err(Broken::Cut(known.n))),
        _ => Ok(Ok(last)),
    }
}

fn hash(previous: &str, n: i64, at: i64, who: &str, action: &str) -> String {
    ids::hex(&Sha256::digest(format!("{previous}\0{n}\0{at}\0{who}\0{action}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        let tx = db.transaction().expect("begins");
        for action in [Action::SignedIn, Action::PasswordChanged, Action::Exported, Action::EraseAsked] {
            record(&tx, "01ANA", action).expect("records");
        }
        tx.commit().expect("commits");
        (folder, db)
    }

    #[test]
    fn a_row_that_was_changed_removed_or_put_in_breaks_the_chain() {
        for (tamper, broken) in [
            ("UPDATE audit SET at = at - 1 WHERE n = 2", 2),
            ("UPDATE audit SET action = 'signed in' WHERE n = 3", 3),
            ("UPDATE audit SET who = 'somebody' WHERE n = 1", 1),
            ("DELETE FROM audit WHERE n = 2", 3),
            ("INSERT INTO audit VALUES (5, 0, 'x', 'erased', '', 'y')", 5),
        ] {
            let (_folder, db) = recorded();
            assert!(matches!(verify(&db, None), Ok(Ok(Head { n: 4, .. }))), "whole at first");
            db.execute_batch(tamper).expect("tampers");
            assert_eq!(verify(&db, None).expect("reads"), Err(Broken::Row(broken)), "{tamper}");
        }
    }

    #[test]
    fn a_cut_end_and_a_chain_written_anew_are_found_by_a_row_that_was_written_down() {
        let (_folder, mut db) = recorded();
        let known = head(&db).expect("reads");
        assert_eq!(verify(&db, Some(&known)).expect("reads"), Ok(known.clone()));
        db.execute_batch("DELETE FROM audit WHERE n > 2").expect("cuts");
        assert!(matches!(verify(&db, None), Ok(Ok(_))), "the chain itself cannot tell");
        assert_eq!(verify(&db, Some(&known)).expect("reads"), Err(Broken::Cut(4)));
        let tx = db.transaction().expect("begins");
        for _ in 0..3 {
            record(&tx, "01BEN", Action::SignedIn).expect("records");
        }
        tx.commit().expect("commits");
        assert_eq!(verify(&db, Some(&known)).expect("reads"), Err(Broken::Rewritten(4)));
    }

    #[test]
    fn no_row_names_the_account() {
        let (_folder, db) = recorded();
        let named: i64 = db
            .query_row("SELECT count(*) FROM audit WHERE who LIKE '%01ANA%'", [], |row| row.get(0))
            .expect("asks");
        assert_eq!(named, 0);
    }
}
