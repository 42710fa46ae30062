//! The log of a streamed answer: written by whoever holds the job, read by anyone, from any point, in any process.
//!
//! A position is `(attempt, seq)`. An attempt that replaces another begins with a `reset` chunk; a reader of the old
//! attempt is taken over to it and never sees both as one text. A log ends with a `done` chunk, then grows no more.

use std::{fmt, str::FromStr, time::Duration};

use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

use crate::{
    Drain,
    live::{Live, StreamWatch},
    sqlite::{Database, DbError},
};

#[cfg(test)]
mod tests;

/// The table, for the app's first migration. Never edited once released.
pub const TABLE: &str = "CREATE TABLE stream_chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (stream, attempt, seq)) STRICT;";

/// Bound: rows that one read takes; a reader far behind goes round again.
const ROWS_MAX: usize = 500;
/// Without events for so long, a reader that waits is told [`Step::Quiet`], so that proxies and phones keep the line.
const QUIET: Duration = Duration::from_secs(15);

/// Where in a log. Ordered: later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// From 1: which run of the job wrote it.
    pub attempt: u32,
    /// From 0 in each attempt.
    pub seq: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt, self.seq)
    }
}

/// Not `attempt.seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written attempt.seq, such as 1.17")]
pub struct BadPosition;

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (attempt, seq) = text.split_once('.').ok_or(BadPosition)?;
        Ok(Self {
            attempt: attempt.parse().map_err(|_| BadPosition)?,
            seq: seq.parse().map_err(|_| BadPosition)?,
        })
    }
}

/// One event of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// What a reader that comes back names.
    pub at: Position,
    /// The app's word, such as `text`; or [`DONE`].
    pub kind: String,
    /// Of the kind's own shape.
    pub data: Value,
}

/// The kind that ends a log.
pub const DONE: &str = "done";

/// Appends inside the caller's transaction, which has asked the job's fence.
///
/// # Errors
/// The database's; a position written before is refused by it.
pub fn append(
    tx: &Transaction<'_>,
    stream: &str,
    at: Position,
    kind: &str,
    data: &Value,
) -> Result<(), DbError> {
    let sql = "INSERT INTO stream_chunks (stream, attempt, seq, kind, data) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.prepare_cached(sql)?.execute(params![stream, at.attempt, at.seq, kind, data.to_string()])?;
    Ok(())
}

/// What comes after `from` in the newest attempt. A reader of an older attempt gets the newest from its start.
///
/// # Errors
/// The database's.
pub fn read_after(
    connection: &Connection,
    stream: &str,
    from: Option<Position>,
) -> Result<Vec<Chunk>, DbError> {
    let newest: Option<u32> = connection
        .prepare_cached("SELECT max(attempt) FROM stream_chunks WHERE stream = ?1")?
        .query_row([stream], |row| row.get(0))?;
    let Some(newest) = newest else { return Ok(Vec::new()) };
    // `seq` begins at 0, so -1 is before all of it.
    let after = from.filter(|from| from.attempt >= newest).map_or(-1, |from| i64::from(from.seq));
    let sql = "SELECT seq, kind, data FROM stream_chunks WHERE stream = ?1 AND attempt = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4";
    let mut query = connection.prepare_cached(sql)?;
    let limit = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
    let rows = query.query_map(params![stream, newest, after, limit], |row| {
        let data: String = row.get(2)?;
        Ok(Chunk {
            at: Position { attempt: newest, seq: row.get(0)? },
            kind: row.get(1)?,
            data: serde_json::from_str(&data).unwrap_or(Value::Null),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The last position of an attempt that runs again must lie behind what was written. `None`: nothing yet.
///
/// # Errors
/// The database's.
pub fn has_earlier_attempt(connection: &Connection, stream: &str, attempt: u32) -> Result<bool, DbError> {
    let sql = "SELECT count(*) > 0 FROM stream_chunks WHERE stream = ?1 AND attempt < ?2";
    Ok(connection.query_row(sql, params![stream, attempt], |row| row.get(0))?)
}

/// Forgets logs that nobody will resume.
///
/// # Errors
/// The database's.
pub fn forget(tx: &Transaction<'_>, stream: &str) -> Result<(), DbError> {
    tx.prepare_cached("DELETE FROM stream_chunks WHERE stream = ?1")?.execute([stream])?;
    Ok(())
}

/// A reader's next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The next event.
    Chunk(Chunk),
    /// Nothing for a while; say that the line is alive.
    Quiet,
}

/// Follows one log from a point until its end.
pub struct Follow {
    db: Database,
    watch: StreamWatch,
    stream: String,
    from: Option<Position>,
    read: std::collections::VecDeque<Chunk>,
    drain: Drain,
    ended: bool,
}

impl Follow {
    /// `from`: the last position that the reader has; `None`: all of it.
    pub fn new(db: Database, live: &Live, drain: Drain, stream: &str, from: Option<Position>) -> Self {
        // Watching before the first read: a chunk that comes in between wakes us for nothing, none is missed.
        let watch = live.stream(stream);
        Self { db, watch, stream: stream.to_owned(), from, read: Default::default(), drain, ended: false }
    }

    /// `None`: the log has ended, or this process must (then without a `done` chunk: the client comes again elsewhere).
    ///
    /// # Errors
    /// The database's.
    pub async fn next(&mut self) -> Result<Option<Step>, DbError> {
        let quiet = tokio::time::sleep(QUIET);
        tokio::pin!(quiet);
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(chunk) = self.read.pop_front() {
                self.from = Some(chunk.at);
                self.ended = chunk.kind == DONE;
                return Ok(Some(Step::Chunk(chunk)));
            }
            let (stream, from) = (self.stream.clone(), self.from);
            let rows: Vec<Chunk> =
                self.db.read(move |connection| read_after(connection, &stream, from)).await?;
            if !rows.is_empty() {
                self.read = rows.into();
                continue;
            }
            tokio::select! {
                () = self.watch.grown() => {}
                () = &mut quiet => return Ok(Some(Step::Quiet)),
                () = self.drain.cut() => self.ended = true,
            }
        }
    }
}
