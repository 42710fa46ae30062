//! What became of each upgrade: `<data>/upgrades.json`. Written before the binary is replaced, and ended by the keeper that
//! comes after.

use std::{io, path::PathBuf};

use api::upgrade::Record;
use model::Explain;
use serde::{Deserialize, Serialize};

use crate::config::folders::Folders;

pub(crate) const FORMAT: u32 = 1;
/// Bound: older ones are forgotten.
const RECORDS_MAX: usize = 50;
const BYTES_MAX: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    /// Newest first.
    upgrades: Vec<Record>,
}

pub(super) struct Records(PathBuf);

impl Records {
    pub(super) fn of(folders: &Folders) -> Self {
        Self(folders.data.join("upgrades.json"))
    }

    /// Newest first.
    /// # Errors
    /// The file is there and does not read, or is a newer Mainstay's.
    pub(super) fn read(&self) -> Result<Vec<Record>, Explain> {
        let failed = |cause: String| {
            Explain::new("upgrades-unreadable", format!("cannot read {}", self.0.display()))
                .caused_by(cause)
                .help("move it away: it only says what became of upgrades")
        };
        let text = match machine::fs::read_regular(&self.0, BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|error| failed(error.to_string()))?,
        };
        let file: File = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        if file.format > FORMAT {
            return Err(failed(format!("its format is {}, this version reads up to {FORMAT}", file.format)));
        }
        Ok(file.upgrades)
    }

    /// Writes `record` as the newest, in place of the one with its id.
    /// # Errors
    /// As of [`Records::read`]; the disk is full.
    pub(super) fn put(&self, record: Record) -> Result<(), Explain> {
        let mut upgrades = self.read()?;
        upgrades.retain(|known| known.id != record.id);
        upgrades.insert(0, record);
        upgrades.truncate(RECORDS_MAX);
        let bytes = serde_json::to_vec(&File { format: FORMAT, upgrades }).map_err(io::Error::from);
        bytes.and_then(|bytes| machine::fs::write_atomic(&self.0, &bytes, 0o600)).map_err(|error| {
            Explain::new("data-unwritable", format!("cannot write {}", self.0.display())).because(&error)
        })
    }
}
