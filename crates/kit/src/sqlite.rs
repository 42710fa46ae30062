//! SQLite for a service: one writer thread, pooled readers, WAL, and a writer that waits for other processes.
//!
//! Several processes may open the same file. Every write is one `BEGIN IMMEDIATE` transaction on one thread, so two
//! requests of this process never meet a busy error, and other processes are waited for (`busy_timeout`).

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The engine's own crate, in the version that is linked here: there can be only one of it in a program.
pub use rusqlite;
use rusqlite::{Connection, OpenFlags, Transaction};
use tokio::sync::{Semaphore, mpsc, oneshot};

mod writer;

#[cfg(test)]
mod tests;

/// Bound: writes that wait for the writer thread. More than that and callers are told the database is full of work.
const WRITES_MAX: usize = 1_024;
/// Bound: queries at once. SQLite reads from the page cache; more threads than this only take memory.
const READERS_MAX: usize = 4;
/// How long a transaction waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How hard a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk before the answer (`synchronous = FULL`): what a person wrote.
    Full,
    /// May be lost with the machine's power, never with the process (`NORMAL`): chunks of an answer, leases.
    Process,
}

/// Why a read or a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// SQLite's own word.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Try again later: 503.
    #[error("the database has more waiting writes than it takes ({WRITES_MAX})")]
    Overloaded,
    /// The writer thread or the runtime has ended.
    #[error("the database is closed")]
    Closed,
    /// See [`Database::refuse_writes`].
    #[error("the database's schema is not one that this release works with; nothing is written")]
    SchemaRefused,
}

/// One database file; clones are the same.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writes: mpsc::Sender<writer::Write>,
    readers: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    refuses_writes: AtomicBool,
}

impl Database {
    /// Opens or makes the file and starts the writer thread.
    ///
    /// # Errors
    /// The folder or file cannot be opened, or it is no SQLite database.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        let connection = open_writer(path)?;
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        writer::start(connection, queue);
        let shared = Shared {
            path: path.to_owned(),
            writes,
            readers: Mutex::default(),
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            refuses_writes: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Of the file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// From now on writes fail with [`DbError::SchemaRefused`], or are taken again.
    pub fn refuse_writes(&self, refuse: bool) {
        self.shared.refuses_writes.store(refuse, Ordering::Relaxed);
    }

    /// Reads from the file, for a health check.
    ///
    /// # Errors
    /// The file cannot be read, or is no database any more.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(
            |connection| Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?),
        )
        .await
    }

    /// Queries that run now, for a metric.
    pub fn readers_at_work(&self) -> usize {
        READERS_MAX - self.shared.permits.available_permits()
    }

    /// Runs `work` in one transaction on the writer thread; it commits when `work` returns `Ok`. Dropping the future
    /// does not undo what was handed over: the transaction still runs.
    ///
    /// # Errors
    /// `work`'s own, or the database's.
    pub async fn write<T, E>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        if self.shared.refuses_writes.load(Ordering::Relaxed) {
            return Err(DbError::SchemaRefused.into());
        }
        let (reply, answer) = oneshot::channel();
        let write = writer::Write::new(durability, work, reply);
        self.shared.writes.try_send(write).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DbError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => DbError::Closed,
        })?;
        answer.await.map_err(|_| DbError::Closed)?
    }

    /// Runs `query` on a reader, off the async threads. It sees everything committed before.
    ///
    /// # Errors
    /// `query`'s own, or the database's.
    pub async fn read<T, E>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await.map_err(|_| DbError::Closed)?;
        let shared = Arc::clone(&self.shared);
        let run = move || {
            let _permit = permit;
            let pooled = shared.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = pooled.map_or_else(|| open_reader(&shared.path), Ok)?;
            let result = query(&connection);
            shared.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| DbError::Closed)?
    }
}

/// A writer's connection: WAL, foreign keys, waiting for others. Also for programs that migrate and end. A file that is not
/// there is made, for nobody but whoever makes it; SQLite gives its companions the same mode.
///
/// # Errors
/// The file cannot be opened or is no database.
pub fn open_writer(path: &Path) -> Result<Connection, DbError> {
    // That it cannot be made SQLite tells next, with more words.
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that cannot write.
///
/// # Errors
/// The file cannot be opened or is no database.
pub fn open_reader(path: &Path) -> Result<Connection, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
