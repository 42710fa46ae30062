//! Leased jobs: work that outlives the process that began it.
//!
//! A job is a row. Whoever takes it gets a lease of [`LEASE`] and renews it each [`RENEW`]; a process that was killed
//! or stopped too long loses it, and another takes the job with the next attempt. Attempts fence: whatever the old
//! owner still tries to store fails, since its attempt has moved ([`Job::fence`]).
//!
//! This file is the table and its transitions, all inside the caller's transaction. [`runner`] takes and runs.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::{clock, sqlite::DbError};

pub mod runner;

#[cfg(test)]
mod tests;

/// How long a job stays with a process that says nothing.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often the owner says that it lives.
pub const RENEW: Duration = Duration::from_secs(1);

/// The table, for the app's first migration. Never edited once released.
pub const TABLE: &str = "CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    queue TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER NOT NULL DEFAULT 0,
    stop_asked INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    finished_at INTEGER) STRICT;
CREATE INDEX jobs_open ON jobs (queue, created_at) WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX jobs_subject ON jobs (queue, subject);";

/// An index that keeps looking cheap where many jobs wait for their time ([`enqueue_at`]); for a later migration.
pub const BY_TIME: &str =
    "CREATE INDEX jobs_by_time ON jobs (queue, lease_until) WHERE state IN ('queued', 'running');";

/// A job that this process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// As it was stored under.
    pub id: String,
    /// Which kind of work.
    pub queue: String,
    /// What it is about: the app's own id.
    pub subject: String,
    /// From 1.
    pub attempt: u32,
    /// More than that and it may only be ended ([`Job::is_exhausted`]).
    pub attempts_max: u32,
    /// The process that holds it.
    pub owner: String,
}

/// The lease went to another process (or the job is over): stop, and store nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost")]
pub struct Lost;

/// What the fence found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Still ours.
    Held,
    /// Still ours, and somebody asked for an end.
    StopAsked,
    /// Another attempt runs, or the job is over.
    Lost,
}

/// Stores a job that any process may take from the moment of the commit.
///
/// # Errors
/// The database's; a second job for the same queue and subject is refused by it.
pub fn enqueue(
    tx: &Transaction<'_>,
    id: &str,
    queue: &str,
    subject: &str,
    attempts_max: u32,
) -> Result<(), DbError> {
    let sql = "INSERT INTO jobs (id, queue, subject, state, attempts_max, created_at) VALUES (?1, ?2, ?3, 'queued', ?4, ?5)";
    tx.execute(sql, params![id, queue, subject, attempts_max, clock::now_ms()])?;
    Ok(())
}

/// Stores a job that any process may take from the instant `from_ms` on (milliseconds since the epoch). Stored again
/// before anybody took it, it moves; taken once, it stays as it is.
///
/// # Errors
/// The database's.
pub fn enqueue_at(
    tx: &Transaction<'_>,
    id: &str,
    queue: &str,
    subject: &str,
    attempts_max: u32,
    from_ms: i64,
) -> Result<(), DbError> {
    // Until then it is nobody's, as a job with a lease is nobody else's.
    let sql = "INSERT INTO jobs (id, queue, subject, state, attempts_max, lease_until, created_at) VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6)
               ON CONFLICT (queue, subject) DO UPDATE SET lease_until = excluded.lease_until WHERE state = 'queued' AND attempt = 0";
    tx.prepare_cached(sql)?.execute(params![id, queue, subject, attempts_max, from_ms, clock::now_ms()])?;
    Ok(())
}

/// Whether there is or was a job of this subject.
///
/// # Errors
/// The database's.
pub fn is_stored(connection: &Connection, queue: &str, subject: &str) -> Result<bool, DbError> {
    let sql = "SELECT count(*) > 0 FROM jobs WHERE queue = ?1 AND subject = ?2";
    Ok(connection.prepare_cached(sql)?.query_row([queue, subject], |row| row.get(0))?)
}

/// Asks whoever runs the job to end it. False: no such job is open.
///
/// # Errors
/// The database's.
pub fn ask_to_stop(tx: &Transaction<'_>, queue: &str, subject: &str) -> Result<bool, DbError> {
    let sql =
        "UPDATE jobs SET stop_asked = 1 WHERE queue = ?1 AND subject = ?2 AND state IN ('queued', 'running')";
    Ok(tx.execute(sql, params![queue, subject])? > 0)
}

/// Nobody's now: never taken and its time has come, given back, or its lease ran out.
const OPEN: &str = "queue = ?1 AND state IN ('queued', 'running') AND lease_until < ?2";

/// Whether there is something to take; a plain read, so that an idle process writes nothing.
///
/// # Errors
/// The database's.
pub fn waiting(connection: &Connection, queue: &str) -> Result<bool, DbError> {
    let sql = format!("SELECT 1 FROM jobs WHERE {OPEN} LIMIT 1");
    let found: Option<i64> = connection
        .prepare_cached(&sql)?
        .query_row(params![queue, clock::now_ms()], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

/// Takes the oldest open job of `queue`, if any: the next attempt begins here.
///
/// # Errors
/// The database's.
pub fn take(tx: &Transaction<'_>, queue: &str, owner: &str) -> Result<Option<Job>, DbError> {
    let now = clock::now_ms();
    let sql = format!(
        "UPDATE jobs SET state = 'running', attempt = attempt + 1, owner = ?3, lease_until = ?4
         WHERE id = (SELECT id FROM jobs WHERE {OPEN} ORDER BY created_at LIMIT 1)
         RETURNING id, queue, subject, attempt, attempts_max, owner"
    );
    Ok(tx
        .prepare_cached(&sql)?
        .query_row(params![queue, now, owner, now + lease_ms()], Job::from_row)
        .optional()?)
}

fn lease_ms() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

const MINE: &str = "id = ?1 AND attempt = ?2 AND owner = ?3 AND state = 'running'";

impl Job {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            queue: row.get(1)?,
            subject: row.get(2)?,
            attempt: row.get(3)?,
            attempts_max: row.get(4)?,
            owner: row.get(5)?,
        })
    }

    /// Taken more often than it may be: whoever holds it now may only end it.
    pub fn is_exhausted(&self) -> bool {
        self.attempt > self.attempts_max
    }

    /// To be asked in the transaction of everything that the job stores.
    ///
    /// # Errors
    /// The database's.
    pub fn fence(&self, tx: &Transaction<'_>) -> Result<Fence, DbError> {
        let sql = format!("SELECT stop_asked FROM jobs WHERE {MINE}");
        let asked: Option<bool> = tx
            .prepare_cached(&sql)?
            .query_row(params![self.id, self.attempt, self.owner], |row| row.get(0))
            .optional()?;
        Ok(match asked {
            None => Fence::Lost,
            Some(true) => Fence::StopAsked,
            Some(false) => Fence::Held,
        })
    }

    /// A lease that ran out and that nobody took is still ours and is renewed.
    ///
    /// # Errors
    /// The database's.
    pub fn renew(&self, tx: &Transaction<'_>) -> Result<Fence, DbError> {
        let fence = self.fence(tx)?;
        if fence != Fence::Lost {
            let sql = format!("UPDATE jobs SET lease_until = ?4 WHERE {MINE}");
            tx.prepare_cached(&sql)?.execute(params![
                self.id,
                self.attempt,
                self.owner,
                clock::now_ms() + lease_ms()
            ])?;
        }
        Ok(fence)
    }

    /// Over, for good. `state`: `done` or `failed`.
    ///
    /// # Errors
    /// The database's. Not ours any more is no error: the other attempt decides.
    pub fn finish(&self, tx: &Transaction<'_>, failed: bool) -> Result<(), DbError> {
        let state = if failed { "failed" } else { "done" };
        let sql = format!("UPDATE jobs SET state = ?4, owner = NULL, finished_at = ?5 WHERE {MINE}");
        tx.execute(&sql, params![self.id, self.attempt, self.owner, state, clock::now_ms()])?;
        Ok(())
    }

    /// Back in the queue for another process, at once. `counts`: whether this attempt is one of the allowed ones; an
    /// attempt that ended because its process was told to stop is nobody's failure.
    ///
    /// # Errors
    /// The database's.
    pub fn give_back(&self, tx: &Transaction<'_>, counts: bool) -> Result<(), DbError> {
        let sql = format!(
            "UPDATE jobs SET state = 'queued', owner = NULL, lease_until = 0, attempts_max = attempts_max + ?4 WHERE {MINE}"
        );
        tx.execute(&sql, params![self.id, self.attempt, self.owner, i64::from(!counts)])?;
        Ok(())
    }
}
