//! Which answers of a route the edge compresses on their way.

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// A route without it passes on what the app sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compress {
    /// Media types without parameters, lower case; `text/*` is all of a kind. Event streams are never compressed.
    pub types: Vec<String>,
    /// Answers that are known to be smaller stay as they are.
    pub min_bytes: ByteSize,
    /// Of those that a client likes best the first is taken.
    pub encodings: Vec<Encoding>,
}

/// A content coding of the IANA's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    Zstd,
    Br,
    Gzip,
}

/// What shrinks: the rest of what a web app sends is compressed as it is.
const TYPES: [&str; 12] = [
    "text/*",
    "application/atom+xml",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/problem+json",
    "application/rss+xml",
    "application/wasm",
    "application/xhtml+xml",
    "application/xml",
    "image/svg+xml",
];

impl Default for Compress {
    fn default() -> Self {
        Self {
            types: TYPES.map(str::to_owned).to_vec(),
            min_bytes: ByteSize::kib(1),
            encodings: vec![Encoding::Zstd, Encoding::Br, Encoding::Gzip],
        }
    }
}
