//! An upload from its first byte to its place: by the resumable protocol, or whole from a form of a page.
//!
//! Whatever ends in a refusal leaves neither row nor bytes; a connection that breaks leaves what came, to go on from.

use std::{fs::File, io::Write, sync::Arc};

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};
use kit::sqlite::{Database, Durability};
use rusqlite::Transaction;
use tokio::sync::Semaphore;

use super::{
    Attachment,
    store::{Store, StoreError},
};
use crate::error::{Error, Result};

/// Bound: bytes that wait for the disk, of one upload.
const BUFFER_BYTES: usize = 256 * 1_024;
/// Bound: files that are looked at as a whole at the same time.
const CHECKS_AT_ONCE: usize = 2;

type Stored<T> = std::result::Result<T, StoreError>;

/// Takes uploads; clones are the same.
#[derive(Clone)]
pub(crate) struct Uploads {
    db: Database,
    pub(crate) store: Store,
    checks: Arc<Semaphore>,
}

impl Uploads {
    pub(crate) fn new(db: Database, store: Store) -> Self {
        Self { db, store, checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)) }
    }

    /// How many bytes of `upload` are there. All of them: it gets its place now, if it has none yet.
    ///
    /// # Errors
    /// As [`Uploads::append`], for the last part.
    pub(crate) async fn received(&self, account: &str, upload: &Attachment) -> Result<u64> {
        if upload.digest.is_some() {
            return Ok(upload.size);
        }
        let received = self.store.received(account, &upload.id).map_err(StoreError::from)?;
        // Its last bytes came, and the process died before they had their place.
        self.finish_if_whole(account, upload, received).await?;
        Ok(received)
    }

    /// Appends what comes at `offset`; returns how many bytes are there then. Ends the upload when it is whole.
    ///
    /// # Errors
    /// The offset is another, the kind is not taken, more comes than was announced, or the disk is full: in the last
    /// three cases nothing is left of the upload.
    pub(crate) async fn append<E>(
        &self,
        account: &str,
        upload: &Attachment,
        offset: u64,
        body: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    ) -> Result<u64> {
        if upload.digest.is_some() {
            return Err(StoreError::Offset(upload.size).into());
        }
        let written = self.write(account, upload, offset, body).await;
        let received = match written {
            Err(Error::Files(error @ (StoreError::TooMuch | StoreError::Io(_)))) => {
                self.forget(account, &upload.id).await?;
                return Err(error.into());
            }
            other => other?,
        };
        self.finish_if_whole(account, upload, received).await?;
        Ok(received)
    }

    async fn write<E>(
        &self,
        account: &str,
        upload: &Attachment,
        offset: u64,
        mut body: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    ) -> Result<u64> {
        let (store, name, id) = (self.store.clone(), account.to_owned(), upload.id.clone());
        let mut file = blocking(move || store.open_at(&name, &id, offset)).await?;
        let (mut at, mut buffer) = (offset, Vec::new());
        loop {
            let next = body.next().await;
            // What came before a connection broke is kept.
            let is_over = !matches!(next, Some(Ok(_)));
            if let Some(Ok(bytes)) = next {
                at += bytes.len() as u64;
                if at > upload.size {
                    return Err(StoreError::TooMuch.into());
                }
                buffer.extend_from_slice(&bytes);
            }
            if is_over || buffer.len() >= BUFFER_BYTES {
                file = flush(file, std::mem::take(&mut buffer), is_over).await?;
            }
            if is_over {
                return Ok(at);
            }
        }
    }

    async fn finish_if_whole(&self, account: &str, upload: &Attachment, received: u64) -> Result<()> {
        if received < upload.size {
            return Ok(());
        }
        let _permit = self.checks.acquire().await;
        let (store, name, id) = (self.store.clone(), account.to_owned(), upload.id.clone());
        let checked = match blocking(move || store.check(&name, &id)).await {
            Ok(checked) => checked,
            Err(error) => {
                self.forget(account, &upload.id).await?;
                return Err(error.into());
            }
        };
        let (store, name, id) = (self.store.clone(), account.to_owned(), upload.id.clone());
        let work = move |tx: &Transaction<'_>| {
            super::complete(tx, &name, &id, &checked.digest, checked.media)?;
            Ok(store.place(&name, &id, &checked.digest).map_err(StoreError::from)?)
        };
        self.db.write(Durability::Full, work).await
    }

    /// Removes an attachment or an upload, row and bytes.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn forget(&self, account: &str, id: &str) -> Result<()> {
        let (store, name, id) = (self.store.clone(), account.to_owned(), id.to_owned());
        self.db.write(Durability::Full, move |tx| remove(tx, &store, &name, &id)).await
    }
}

/// Removes an attachment or an upload in the caller's transaction.
///
/// # Errors
/// There is none, or the disk's.
pub(crate) fn remove(tx: &Transaction<'_>, store: &Store, account: &str, id: &str) -> Result<()> {
    // Crash: before the commit the row stays and its bytes are gone, which whoever asked for this wanted anyway.
    if let Some(digest) = super::remove(tx, account, id)? {
        store.remove(account, &digest).map_err(StoreError::from)?;
    }
    Ok(store.discard(account, id).map_err(StoreError::from)?)
}

async fn flush(mut file: File, bytes: Vec<u8>, is_last: bool) -> Stored<File> {
    blocking(move || {
        file.write_all(&bytes)?;
        if is_last {
            file.sync_data()?;
        }
        Ok(file)
    })
    .await
}

/// Runs what waits for the disk off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Stored<T> + Send + 'static) -> Stored<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}
