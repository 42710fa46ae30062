//! Bytes of an artifact on their way to the keeper: by digest, in chunks, resumable.

use serde::{Deserialize, Serialize};

/// Largest chunk that one PUT may carry.
pub const CHUNK_BYTES_MAX: u64 = 8 << 20;

/// The form of the archive, told by its first bytes, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Tar,
    TarGz,
    TarZst,
}

/// `sha256:<64 hex>` of the whole file, and its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub digest: String,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Go on from here.
    pub offset: u64,
    /// All bytes are here and the digest is right.
    pub complete: bool,
}
