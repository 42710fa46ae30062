//! Sends an artifact in chunks, and goes on where it stopped.
//!
//! The keeper says how far it is; that word alone decides what is sent next. So a client that was killed, a keeper that
//! was killed and a second client with the same bytes all go on instead of beginning anew.

use std::{
    future::Future,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

use super::{Client, Failure};
use crate::artifact::{Artifact, CHUNK_BYTES_MAX};

/// Bytes of one PUT: small enough that a broken one costs little, large enough that the turns cost nothing.
const CHUNK_BYTES: u64 = 4 << 20;
const _: () = assert!(CHUNK_BYTES <= CHUNK_BYTES_MAX);
/// Bound: times that a chunk is tried while the keeper is away; with the pauses between, half a minute.
const TRIES_MAX: u32 = 40;
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
/// The file cannot be read or is shorter than said; the keeper refuses (a digest that does not match is its word).
pub async fn send(
    client: &Client,
    artifact: &Artifact,
    file: &Path,
    mut progress: impl FnMut(u64),
) -> Result<(), UploadError> {
    let read_error = |source| UploadError::Read { path: file.to_owned(), source };
    let mut source = File::open(file).await.map_err(read_error)?;
    let mut offset = match retried(|| client.received(&artifact.digest)).await.map_err(UploadError::Api)? {
        Some(received) if received.complete => {
            progress(artifact.bytes);
            return Ok(());
        }
        Some(received) => received.offset,
        None => 0,
    };
    progress(offset);
    loop {
        let chunk = chunk_at(&mut source, offset, artifact.bytes).await.map_err(read_error)?;
        if chunk.is_empty() && offset < artifact.bytes {
            return Err(UploadError::Changed {
                path: file.to_owned(),
                found: offset,
                wanted: artifact.bytes,
            });
        }
        let last = chunk.is_empty();
        let received =
            retried(|| client.send_chunk(artifact, offset, chunk.clone())).await.map_err(UploadError::Api)?;
        progress(received.offset.min(artifact.bytes));
        if received.complete {
            return Ok(());
        }
        if last {
            return Err(UploadError::Changed {
                path: file.to_owned(),
                found: received.offset,
                wanted: artifact.bytes,
            });
        }
        offset = received.offset;
    }
}

async fn chunk_at(file: &mut File, offset: u64, bytes: u64) -> io::Result<Bytes> {
    let wanted = bytes.saturating_sub(offset).min(CHUNK_BYTES);
    file.seek(SeekFrom::Start(offset)).await?;
    let mut chunk = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
    file.take(wanted).read_to_end(&mut chunk).await?;
    Ok(chunk.into())
}

/// Chunks are sent by offset, so sending one twice is harmless: while the keeper is away, try again.
async fn retried<T, F: Future<Output = Result<T, Failure>>>(ask: impl Fn() -> F) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        match ask().await {
            Err(Failure::Lost { .. }) if tries < TRIES_MAX => {}
            Err(Failure::Refused { status: 503, .. }) if tries < TRIES_MAX => {}
            // The first look finds out whether there is a keeper at all; that is told at once.
            Err(Failure::NoKeeper { .. }) if (2..TRIES_MAX).contains(&tries) => {}
            answer => return answer,
        }
        tries += 1;
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
