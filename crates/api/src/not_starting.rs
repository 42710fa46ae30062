//! The file beside the API's socket in which a keeper that cannot start says why: nobody answers on the socket then.

use std::path::{Path, PathBuf};

use model::Explain;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotStarting {
    format: u32,
    pub explain: Explain,
    /// The socket of the process that starts the next one: while somebody listens there, it is tried again.
    pub front: PathBuf,
}

impl NotStarting {
    pub fn new(explain: Explain, front: PathBuf) -> Self {
        Self { format: FORMAT, explain, front }
    }

    /// What stands in the text of another version is not guessed at.
    pub fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().filter(|read: &Self| read.format == FORMAT)
    }
}

/// Where it lies, for a socket.
pub fn beside(socket: &Path) -> PathBuf {
    socket.with_file_name("keeper.failed")
}
