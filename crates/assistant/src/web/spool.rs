//! A body or a field of a form, received into an unnamed file of the data folder: however slow its sender is, no thread
//! and no transaction waits for it, and whatever happens nothing of it is left.

use std::{fs::File, io::Write, path::PathBuf};

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::{attachments::store::StoreError, error::Error};

/// Bound: bytes that wait for the disk.
const BUFFER_BYTES: usize = 256 * 1_024;

/// What came.
pub(super) struct Spooled {
    pub(super) file: File,
    /// SHA-256 of its bytes.
    pub(super) digest: Vec<u8>,
}

/// Receives all of `body`, at most `most` bytes.
pub(super) async fn spool<E>(
    folder: PathBuf,
    most: u64,
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<Spooled, Problem> {
    let mut file = blocking(move || tempfile::tempfile_in(folder)).await?;
    let (mut hash, mut buffer, mut length) = (Sha256::new(), Vec::new(), 0_u64);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "The file did not come whole. Nothing was changed.")
        })?;
        length += piece.len() as u64;
        if length > most {
            let most = format!("At most {} MiB are taken. Nothing was changed.", most / 1_024 / 1_024);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, most));
        }
        hash.update(&piece);
        buffer.extend_from_slice(&piece);
        if buffer.len() >= BUFFER_BYTES {
            file = append(file, std::mem::take(&mut buffer)).await?;
        }
    }
    Ok(Spooled { file: append(file, buffer).await?, digest: hash.finalize().to_vec() })
}

async fn append(mut file: File, bytes: Vec<u8>) -> Result<File, Problem> {
    blocking(move || file.write_all(&bytes).map(|()| file)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
    Ok(done.and_then(|done| done).map_err(|error| Error::Files(StoreError::Io(error)))?)
}
