//! Sends an artifact in chunks, and goes on where it stopped.
//!
//! The keeper says how far it is; that word alone decides what is sent next. So a client that was killed, a keeper that
//! was killed and a second client with the same bytes all go on instead of beginning anew.

use std::{
    io::{self, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    time::Instant,
};

use super::{Client, Failure};
use crate::artifact::{Artifact, CHUNK_BYTES_MAX, Received};

/// Bytes of the first PUT; those after it are as large as the way is fast.
const CHUNK_BYTES_FIRST: u64 = 256 << 10;
const CHUNK_BYTES_LEAST: u64 = 64 << 10;
/// Bytes of one PUT at most: small enough that a broken one costs little, large enough that the turns cost nothing.
const CHUNK_BYTES_MOST: u64 = 4 << 20;
const _: () = assert!(CHUNK_BYTES_MOST <= CHUNK_BYTES_MAX);
/// A chunk that took less is followed by a larger one, one that took more by a smaller one.
const QUICK_CHUNK: Duration = Duration::from_secs(1);
const SLOW_CHUNK: Duration = Duration::from_secs(5);
/// Bound: how long one goes on trying since the last byte that arrived.
const AWAY_MAX: Duration = Duration::from_secs(120);
const RETRY_AFTER: Duration = Duration::from_millis(700);

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} changed while it was sent: it ends after {found} of {wanted} bytes")]
    Changed { path: PathBuf, found: u64, wanted: u64 },
    #[error(transparent)]
    Api(Failure),
}

/// Sends `file`, whose digest and length `artifact` states. `progress` hears how many bytes are there, in order.
///
/// # Errors
/// The file cannot be read or is shorter than said; the keeper refuses (a digest that does not match is its word); it was away for
/// two minutes.
pub async fn send(
    client: &Client,
    artifact: &Artifact,
    file: &Path,
    mut progress: impl FnMut(u64),
) -> Result<(), UploadError> {
    let source =
        File::open(file).await.map_err(|source| UploadError::Read { path: file.to_owned(), source })?;
    // This finds out whether there is a keeper at all, and is told at once where there is none.
    let mut at = here(client, artifact).await.map_err(UploadError::Api)?;
    let mut upload =
        Upload { client, artifact, file, source, chunk: CHUNK_BYTES_FIRST, arrived: Instant::now() };
    progress(if at.complete { artifact.bytes } else { at.offset });
    while !at.complete {
        at = upload.next(at.offset).await?;
        progress(at.offset.min(artifact.bytes));
    }
    Ok(())
}

async fn here(client: &Client, artifact: &Artifact) -> Result<Received, Failure> {
    let received = client.received(&artifact.digest).await?;
    Ok(received.unwrap_or(Received { offset: 0, complete: false }))
}

/// One that is under way.
struct Upload<'a> {
    client: &'a Client,
    artifact: &'a Artifact,
    file: &'a Path,
    source: File,
    /// Bytes of the next chunk.
    chunk: u64,
    /// When the last one was answered.
    arrived: Instant,
}

impl Upload<'_> {
    /// Sends what comes at `offset`; where to go on. After a connection that broke the keeper is asked how much arrived.
    async fn next(&mut self, offset: u64) -> Result<Received, UploadError> {
        let chunk = self.read(offset).await?;
        let is_last = chunk.is_empty();
        if is_last && offset < self.artifact.bytes {
            return Err(self.changed(offset));
        }
        let began = Instant::now();
        match self.client.send_chunk(self.artifact, offset, chunk).await {
            Ok(received) if is_last && !received.complete => Err(self.changed(received.offset)),
            Ok(received) => {
                self.took(began.elapsed());
                Ok(received)
            }
            Err(failure) if self.may_wait(&failure) => {
                self.chunk = (self.chunk / 2).max(CHUNK_BYTES_LEAST);
                self.ask().await
            }
            Err(failure) => Err(UploadError::Api(failure)),
        }
    }

    async fn ask(&mut self) -> Result<Received, UploadError> {
        loop {
            tokio::time::sleep(RETRY_AFTER).await;
            match here(self.client, self.artifact).await {
                Err(failure) if self.may_wait(&failure) => {}
                answer => return answer.map_err(UploadError::Api),
            }
        }
    }

    fn took(&mut self, took: Duration) {
        self.arrived = Instant::now();
        if took < QUICK_CHUNK {
            self.chunk = (self.chunk * 2).min(CHUNK_BYTES_MOST);
        } else if took > SLOW_CHUNK {
            self.chunk = (self.chunk / 2).max(CHUNK_BYTES_LEAST);
        }
    }

    /// Chunks are sent by offset, so sending one twice is harmless.
    fn may_wait(&self, failure: &Failure) -> bool {
        let is_between = matches!(failure, Failure::Silent { .. } | Failure::Refused { status: 503, .. });
        (failure.is_gone() || is_between) && self.arrived.elapsed() < AWAY_MAX
    }

    async fn read(&mut self, offset: u64) -> Result<Bytes, UploadError> {
        let wanted = self.artifact.bytes.saturating_sub(offset).min(self.chunk);
        let chunk = chunk_at(&mut self.source, offset, wanted).await;
        chunk.map_err(|source| UploadError::Read { path: self.file.to_owned(), source })
    }

    fn changed(&self, found: u64) -> UploadError {
        UploadError::Changed { path: self.file.to_owned(), found, wanted: self.artifact.bytes }
    }
}

async fn chunk_at(file: &mut File, offset: u64, bytes: u64) -> io::Result<Bytes> {
    file.seek(SeekFrom::Start(offset)).await?;
    let mut chunk = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(bytes).read_to_end(&mut chunk).await?;
    Ok(chunk.into())
}
