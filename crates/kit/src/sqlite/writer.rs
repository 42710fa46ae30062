//! The thread that owns the one writing connection. Nothing else in the process writes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{DbError, Durability};

type Run = Box<dyn FnOnce(Result<&mut Connection, DbError>) + Send>;

/// One transaction to run, which answers its caller by itself.
pub(super) struct Write {
    durability: Durability,
    run: Run,
}

impl Write {
    pub(super) fn new<T, E>(
        durability: Durability,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        reply: oneshot::Sender<Result<T, E>>,
    ) -> Self
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let run: Run = Box::new(move |connection| {
            let result = connection.map_err(E::from).and_then(|connection| transact(connection, work));
            // The caller may be gone (its request was cut); the transaction stands all the same.
            let _ = reply.send(result);
        });
        Self { durability, run }
    }
}

fn transact<T, E: From<DbError>>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(DbError::from)?;
    let value = work(&tx)?;
    // Crash: before this line nothing happened; after it, all of it did.
    tx.commit().map_err(DbError::from)?;
    Ok(value)
}

pub(super) fn start(mut connection: Connection, mut queue: mpsc::Receiver<Write>) {
    let work = move || {
        let mut current = Durability::Full;
        while let Some(write) = queue.blocking_recv() {
            let ready = switch(&connection, &mut current, write.durability);
            let run = write.run;
            // A panic in one caller's work rolls its transaction back and must not stop everybody's writing.
            let outcome = catch_unwind(AssertUnwindSafe(|| run(ready.map(|()| &mut connection))));
            if outcome.is_err() {
                tracing::error!("a write panicked; it was rolled back");
            }
        }
    };
    // A thread that cannot start means a process without threads left; every write then answers `Closed`.
    if let Err(error) = std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(work) {
        tracing::error!(%error, "the writer thread could not start");
    }
}

/// `synchronous` cannot change inside a transaction, so it is set before.
fn switch(connection: &Connection, current: &mut Durability, wanted: Durability) -> Result<(), DbError> {
    if *current == wanted {
        return Ok(());
    }
    let level = match wanted {
        Durability::Full => "FULL",
        Durability::Process => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level)?;
    *current = wanted;
    Ok(())
}
