//! Tells readers of this process what any process committed: one poller of `PRAGMA data_version`.
//!
//! SQLite has no notification between processes, but each connection can ask cheaply (about 2 µs) whether another one
//! committed. One thread asks each 10 ms while a stream is open, each 100 ms while only listeners are, and never
//! when nobody is. On a change it looks up which streams grew and what changed for whom, and wakes only those. An app
//! has the table of changes ([`TABLE`]), that of streams (`stream::TABLE`), or both.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Transaction, params};
use tokio::sync::{broadcast, watch};

use crate::sqlite::{self, DbError};

#[cfg(test)]
mod tests;

/// While a stream is open.
const FAST: Duration = Duration::from_millis(10);
/// While only listeners for changes are there.
const SLOW: Duration = Duration::from_millis(100);
/// Bound: changes that a slow listener may be behind before it is told that it missed some.
const CHANGES_MAX: usize = 1_024;
/// Bound: changes of one look. Fewer than a listener may be behind, so that one who keeps up misses none of many.
const LOOK_MAX: u32 = 1_000;

/// The table of changes, for the app's first migration. Never edited once released.
pub const TABLE: &str = "CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    at INTEGER NOT NULL) STRICT;";

/// Something of an account changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose it is: the app's own id.
    pub account: String,
    /// The app's word: `task`, `journal`.
    pub kind: String,
    /// Which one: the app's own id.
    pub entity: String,
}

/// Stores a change in the transaction that makes it.
///
/// # Errors
/// The database's.
pub fn tell(tx: &Transaction<'_>, account: &str, kind: &str, entity: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO changes (account_id, kind, entity_id, at) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![account, kind, entity, crate::clock::now_ms()])?;
    Ok(())
}

/// The poller's handle; clones share it.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    changes: broadcast::Sender<(i64, Change)>,
    path: PathBuf,
    /// Asked at each subscription which change was the last before it.
    asked: Mutex<Option<Connection>>,
}

#[derive(Default)]
struct State {
    streams: HashMap<String, (watch::Sender<()>, usize)>,
    listeners: usize,
    closed: bool,
}

/// Wakes when its stream grew. Ends its part of the polling when dropped.
pub struct StreamWatch {
    shared: Arc<Shared>,
    stream: String,
    grown: watch::Receiver<()>,
}

/// Receives changes. Ends its part of the polling when dropped.
pub struct ChangeWatch {
    shared: Arc<Shared>,
    changes: broadcast::Receiver<(i64, Change)>,
    after: i64,
}

impl Live {
    /// Starts the poller's thread on a connection of its own. What is committed from now on is told to whoever listens then.
    ///
    /// # Errors
    /// The thread cannot start.
    pub fn start(path: PathBuf) -> std::io::Result<Self> {
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        let (state, wake, asked) = (Mutex::default(), Condvar::new(), Mutex::default());
        let shared = Arc::new(Shared { state, wake, changes, path, asked });
        let polled = Arc::clone(&shared);
        // Before anybody can listen: a change between a subscription and the first look would be lost. What cannot be
        // read yet is read later.
        let open = open(&shared.path).ok();
        std::thread::Builder::new().name("sqlite-live".to_owned()).spawn(move || polled.run(open))?;
        Ok(Self { shared })
    }

    /// Subscribe before reading the rows, so that nothing falls between.
    pub fn stream(&self, stream: &str) -> StreamWatch {
        let mut state = self.shared.lock();
        let entry = state.streams.entry(stream.to_owned()).or_insert_with(|| (watch::Sender::new(()), 0));
        entry.1 += 1;
        let grown = entry.0.subscribe();
        drop(state);
        self.shared.wake.notify_one();
        StreamWatch { shared: Arc::clone(&self.shared), stream: stream.to_owned(), grown }
    }

    /// Changes from now on, of everybody.
    pub fn changes(&self) -> ChangeWatch {
        let after = self.shared.last_change();
        self.shared.lock().listeners += 1;
        self.shared.wake.notify_one();
        ChangeWatch { shared: Arc::clone(&self.shared), changes: self.shared.changes.subscribe(), after }
    }

    /// Ends the thread.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

impl StreamWatch {
    /// Returns when chunks were added since the last call, by any process. Cancel-safe.
    pub async fn grown(&mut self) {
        if self.grown.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for StreamWatch {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some((_, readers)) = state.streams.get_mut(&self.stream) {
            *readers -= 1;
            if *readers == 0 {
                state.streams.remove(&self.stream);
            }
        }
    }
}

impl ChangeWatch {
    /// The next change; `None` says that some were missed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            match self.changes.recv().await {
                Ok((id, _)) if id <= self.after => {}
                Ok((_, change)) => return Some(change),
                Err(_) => return None,
            }
        }
    }
}

impl Drop for ChangeWatch {
    fn drop(&mut self) {
        self.shared.lock().listeners -= 1;
    }
}

/// What the poller has seen.
struct Seen {
    data_version: i64,
    /// `None`: there is no such table.
    chunk: Option<i64>,
    change: Option<i64>,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 0 where it cannot be asked now: then older ones are told too.
    fn last_change(&self) -> i64 {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none() {
            *asked = sqlite::open_reader(&self.path).ok();
        }
        asked.as_ref().and_then(|connection| newest(connection, CHANGES).ok().flatten()).unwrap_or_default()
    }

    fn run(&self, mut open: Option<(Connection, Seen)>) {
        while let Some(pause) = self.pause() {
            let polled = match open.take() {
                Some((connection, seen)) => self.poll(&connection, seen).map(|seen| (connection, seen)),
                None => self::open(&self.path).inspect(|_| self.wake_all()),
            };
            match polled {
                Ok(kept) => open = Some(kept),
                Err(error) => {
                    tracing::warn!(%error, "changes cannot be seen for now");
                    std::thread::sleep(SLOW);
                }
            }
            std::thread::sleep(pause);
        }
    }

    /// Waits while nobody listens. `None`: the end.
    fn pause(&self) -> Option<Duration> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if !state.streams.is_empty() {
                return Some(FAST);
            }
            if state.listeners > 0 {
                return Some(SLOW);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// After a gap (start, or an error) everybody looks for themselves.
    fn wake_all(&self) {
        self.lock().streams.values().for_each(|(grown, _)| grown.send_replace(()));
    }

    fn poll(&self, connection: &Connection, mut seen: Seen) -> Result<Seen, DbError> {
        let data_version = data_version(connection)?;
        if data_version == seen.data_version {
            return Ok(seen);
        }
        seen.look_for_tables(connection)?;
        let grown = seen.chunk.as_mut().map(|last| grown_streams(connection, last)).transpose()?;
        let changes = seen.change.as_mut().map(|last| new_changes(connection, last)).transpose()?;
        // A full look leaves some: the next one goes on behind it, though nobody commits until then.
        if changes.as_ref().is_none_or(|changes| changes.len() < LOOK_MAX as usize) {
            seen.data_version = data_version;
        }
        let state = self.lock();
        grown
            .iter()
            .flatten()
            .filter_map(|stream| state.streams.get(stream))
            .for_each(|(grown, _)| grown.send_replace(()));
        drop(state);
        for change in changes.into_iter().flatten() {
            // Nobody listening is no error.
            let _ = self.changes.send(change);
        }
        Ok(seen)
    }
}

impl Seen {
    fn now(connection: &Connection) -> Result<Self, DbError> {
        // The version first: what is committed in between is seen twice, not never.
        let data_version = data_version(connection)?;
        let (chunk, change) = (newest(connection, CHUNKS)?, newest(connection, CHANGES)?);
        Ok(Self { data_version, chunk, change })
    }

    /// Tables that a migration has made meanwhile: all that is in them is new.
    fn look_for_tables(&mut self, connection: &Connection) -> Result<(), DbError> {
        if self.chunk.is_none() {
            self.chunk = newest(connection, CHUNKS)?.map(|_| 0);
        }
        if self.change.is_none() {
            self.change = newest(connection, CHANGES)?.map(|_| 0);
        }
        Ok(())
    }
}

const CHUNKS: &str = "stream_chunks";
const CHANGES: &str = "changes";

fn open(path: &Path) -> Result<(Connection, Seen), DbError> {
    let connection = sqlite::open_reader(path)?;
    let seen = Seen::now(&connection)?;
    Ok((connection, seen))
}

/// The last id of a table; `None`: there is no such table.
fn newest(connection: &Connection, table: &str) -> Result<Option<i64>, DbError> {
    let known = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    if !connection.prepare_cached(known)?.query_row([table], |row| row.get::<_, bool>(0))? {
        return Ok(None);
    }
    let newest = format!("SELECT coalesce(max(id), 0) FROM {table}");
    Ok(Some(connection.query_row(&newest, [], |row| row.get(0))?))
}

fn data_version(connection: &Connection) -> Result<i64, DbError> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

fn grown_streams(connection: &Connection, last: &mut i64) -> Result<Vec<String>, DbError> {
    let mut query = connection
        .prepare_cached("SELECT stream, max(id) FROM stream_chunks WHERE id > ?1 GROUP BY stream")?;
    let rows = query.query_map([*last], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    *last = rows.iter().map(|(_, id)| *id).max().unwrap_or(*last);
    Ok(rows.into_iter().map(|(stream, _)| stream).collect())
}

fn new_changes(connection: &Connection, last: &mut i64) -> Result<Vec<(i64, Change)>, DbError> {
    let mut query = connection.prepare_cached(
        "SELECT id, account_id, kind, entity_id FROM changes WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let rows = query.query_map(params![*last, LOOK_MAX], |row| {
        Ok((row.get(0)?, Change { account: row.get(1)?, kind: row.get(2)?, entity: row.get(3)? }))
    })?;
    let rows: Vec<(i64, Change)> = rows.collect::<Result<_, _>>()?;
    *last = rows.last().map_or(*last, |(id, _)| *id);
    Ok(rows)
}
