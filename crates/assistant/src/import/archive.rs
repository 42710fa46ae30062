//! The own archive: its files are laid on the disk first, then its lines are stored in one transaction, in which the
//! files get their places.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
};

use rusqlite::Transaction;

use super::{Imported, line};
use crate::{
    accounts::Account,
    attachments::{
        self, FILE_BYTES_MAX,
        store::{Checked, Store, StoreError},
    },
    error::{Error, Result},
    export::EVERYTHING,
    ids,
};

/// Bound: files beside entries in one archive.
const FILES_MAX: usize = 20_000;
/// Bound: one line of `everything.jsonl`.
const LINE_BYTES_MAX: u64 = 4 * 1_024 * 1_024;

/// A file of the archive, on the disk as an upload is.
pub(super) struct Held {
    id: String,
    checked: Checked,
    pub(super) size: u64,
}

/// An archive whose files are on the disk. Those that got no place are removed when it is dropped.
pub(crate) struct Archive {
    file: File,
    /// Where `everything.jsonl` lies in `file`.
    lines: (u64, u64),
    files: HashMap<String, Held>,
    store: Store,
    account: String,
}

impl Drop for Archive {
    fn drop(&mut self) {
        for held in self.files.values() {
            // What cannot be removed now is left over, and removed after a day.
            let _ = self.store.discard(&self.account, &held.id);
        }
    }
}

impl Archive {
    pub(super) fn open(file: File, store: &Store, who: &Account) -> Result<Self> {
        let mut opened = Self {
            file,
            lines: (0, 0),
            files: HashMap::new(),
            store: store.clone(),
            account: who.id.clone(),
        };
        let mut reader = opened.file.try_clone().map_err(StoreError::from)?;
        reader.rewind().map_err(StoreError::from)?;
        let mut archive = tar::Archive::new(reader);
        let broken = |_| Error::Invalid("this is no archive of an export, or not a whole one".to_owned());
        let mut found = None;
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if path == EVERYTHING {
                found = Some((entry.raw_file_position(), entry.size()));
            } else if path.starts_with("attachments/") && entry.header().entry_type().is_file() {
                opened.hold(path, &mut entry)?;
            }
        }
        let nothing = format!("there is no {EVERYTHING} in this archive; it is no export of the assistant");
        opened.lines = found.ok_or(Error::Invalid(nothing))?;
        Ok(opened)
    }

    fn hold(&mut self, path: String, entry: &mut impl Read) -> Result<()> {
        if self.files.len() >= FILES_MAX {
            return Err(Error::TooLarge(format!("an archive has at most {FILES_MAX} files")));
        }
        let mut bytes = Vec::new();
        entry.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(StoreError::from)?;
        let size = bytes.len() as u64;
        if size > FILE_BYTES_MAX {
            return Err(Error::TooLarge(format!("{path} has more than 10 MiB")));
        }
        let id = ids::new_id();
        let checked = self.store.hold(&self.account, &id, &bytes).map_err(|error| match error {
            StoreError::Kind(kind) => Error::Invalid(format!("{path}: {kind}")),
            other => other.into(),
        })?;
        self.files.insert(path, Held { id, checked, size });
        Ok(())
    }

    pub(super) fn store(&mut self, tx: &Transaction<'_>, who: &Account) -> Result<Imported> {
        let (at, length) = self.lines;
        self.file.seek(SeekFrom::Start(at)).map_err(StoreError::from)?;
        let mut lines = BufReader::new((&self.file).take(length));
        let mut writer = line::Writer::new(tx, who, &self.files);
        for n in 1.. {
            let mut text = Vec::new();
            let read = (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut text);
            if read.map_err(StoreError::from)? == 0 {
                break;
            }
            let wrong = |what: String| Error::Invalid(format!("line {n} of {EVERYTHING}: {what}"));
            let value = serde_json::from_slice(&text).map_err(|error| wrong(format!("no JSON: {error}")))?;
            writer.take(n, &value).map_err(|error| match error {
                Error::Invalid(what) => wrong(what),
                other => other,
            })?;
        }
        let (imported, placed) = writer.end();
        attachments::check_room(tx, &self.account)?;
        for path in placed {
            if let Some(held) = self.files.remove(&path) {
                let place = self.store.place(&self.account, &held.id, &held.checked.digest);
                place.map_err(StoreError::from)?;
            }
        }
        Ok(imported)
    }
}

impl Held {
    pub(super) fn digest(&self) -> &str {
        &self.checked.digest
    }

    pub(super) fn media(&self) -> &'static str {
        self.checked.media
    }
}
