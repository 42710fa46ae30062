//! What became of each upgrade: `<data>/upgrades.json`. Written before the binary is replaced, and ended by the keeper that
//! comes after.

use std::{io, path::PathBuf};

use api::upgrade::Record;
use machine::formats;
use model::Explain;
use serde::{Deserialize, Serialize};

use crate::config::folders::Folders;

pub(crate) const FORMAT: u32 = 1;
pub(crate) const FILE: &str = "upgrades.json";
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
        Self(folders.data.join(FILE))
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
        let own = formats::current(FORMAT);
        if file.format > own {
            return Err(failed(format!("its format is {}, this version reads up to {own}", file.format)));
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
        let bytes =
            serde_json::to_vec(&File { format: formats::current(FORMAT), upgrades }).map_err(io::Error::from);
        bytes.and_then(|bytes| machine::fs::write_atomic(&self.0, &bytes, 0o600)).map_err(|error| {
            Explain::new("data-unwritable", format!("cannot write {}", self.0.display())).because(&error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_version_1_are_read_and_those_of_a_newer_one_refused_and_left() {
        let data = tempfile::tempdir().expect("a folder");
        let records = Records(data.path().join(FILE));
        let text = include_str!("../../../tests/recorded/v1/upgrades.json");
        std::fs::write(&records.0, text).expect("written");
        let read = records.read().expect("it reads");
        assert_eq!((read.len(), read[0].outcome), (2, None), "one is at work");
        let again = File { format: FORMAT, upgrades: read.clone() };
        let (again, before) = (serde_json::to_value(&again), serde_json::from_str::<serde_json::Value>(text));
        assert_eq!(again.expect("JSON"), before.expect("JSON"), "neither a lost nor a new field");
        let newer = text.replacen("\"format\": 1", "\"format\": 2", 1);
        std::fs::write(&records.0, &newer).expect("written");
        assert_eq!(records.put(read[0].clone()).expect_err("refused").code, "upgrades-unreadable");
        assert_eq!(std::fs::read_to_string(&records.0).expect("there"), newer);
    }
}
