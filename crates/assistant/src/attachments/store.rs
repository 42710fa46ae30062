//! The bytes of attachments, in the data folder: `files/<account>/<digest>`, and `files/<account>/incoming/<id>` while
//! they come.
//!
//! Each account has a folder of its own, so that erasing it is removing that. A file gets its place by fsync and rename
//! within the transaction of its row, and loses it within that of the row's end: the writers' lock is theirs too.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use super::{FILE_BYTES_MAX, kind};
use crate::ids;

/// Where files lie; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// A file that came whole and is of a kind that is taken.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) digest: String,
    pub(crate) media: &'static str,
}

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("so many bytes are there already: {0}")]
    Offset(u64),
    #[error("another request is sending this file")]
    Busy,
    #[error("more came than was announced")]
    TooMuch,
    #[error(transparent)]
    Kind(#[from] kind::WrongKind),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl StoreError {
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    }
}

impl Store {
    pub(crate) fn new(data: &Path) -> Self {
        Self { root: data.join("files") }
    }

    fn folder(&self, account: &str) -> PathBuf {
        self.root.join(account)
    }

    pub(crate) fn path(&self, account: &str, digest: &str) -> PathBuf {
        self.folder(account).join(digest)
    }

    fn incoming(&self, account: &str, id: &str) -> PathBuf {
        self.folder(account).join("incoming").join(id)
    }

    /// How many bytes of an upload are there.
    pub(crate) fn received(&self, account: &str, id: &str) -> io::Result<u64> {
        match fs::metadata(self.incoming(account, id)) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Opens an upload to go on at `offset`, for this caller alone as long as the file is open.
    ///
    /// # Errors
    /// Another one has it, or it is not at `offset`.
    pub(crate) fn open_at(&self, account: &str, id: &str, offset: u64) -> Result<File, StoreError> {
        let path = self.incoming(account, id);
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let at = file.seek(SeekFrom::End(0))?;
        if at == offset { Ok(file) } else { Err(StoreError::Offset(at)) }
    }

    /// Reads a whole upload: its digest, and whether its kind is taken. It is on the disk then.
    ///
    /// # Errors
    /// [`StoreError::Kind`], or the disk's.
    pub(crate) fn check(&self, account: &str, id: &str) -> Result<Checked, StoreError> {
        let mut file = File::open(self.incoming(account, id))?;
        let mut bytes = Vec::new();
        // Bound: as long as an upload may be.
        (&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        let media = kind::of(&bytes)?;
        file.sync_all()?;
        Ok(Checked { digest: ids::hex(&Sha256::digest(&bytes)), media })
    }

    /// Lays whole bytes down as an upload that is checked already.
    ///
    /// # Errors
    /// [`StoreError::Kind`], or the disk's; nothing is left then.
    pub(crate) fn hold(&self, account: &str, id: &str, bytes: &[u8]) -> Result<Checked, StoreError> {
        let mut file = self.open_at(account, id, 0)?;
        let held = file.write_all(bytes).map_err(StoreError::from).and_then(|()| self.check(account, id));
        if held.is_err() {
            self.discard(account, id)?;
        }
        held
    }

    /// Gives a checked upload its place. In the transaction that says so.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn place(&self, account: &str, id: &str, digest: &str) -> io::Result<()> {
        // Crash: before the commit this is a file that no row names; `sweep` removes it after a day.
        fs::rename(self.incoming(account, id), self.path(account, digest))?;
        File::open(self.folder(account))?.sync_all()
    }

    /// Removes the file of a digest that no row names any more. In the transaction that says so.
    ///
    /// # Errors
    /// The disk's; that it is gone already is none.
    pub(crate) fn remove(&self, account: &str, digest: &str) -> io::Result<()> {
        gone(fs::remove_file(self.path(account, digest)))
    }

    /// Removes what came of an upload.
    ///
    /// # Errors
    /// The disk's; that nothing came is none.
    pub(crate) fn discard(&self, account: &str, id: &str) -> io::Result<()> {
        gone(fs::remove_file(self.incoming(account, id)))
    }

    /// Removes everything of an account.
    ///
    /// # Errors
    /// The disk's; that there is nothing is none.
    pub(crate) fn erase(&self, account: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.folder(account)))
    }

    /// Accounts that have files.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn accounts(&self) -> io::Result<Vec<String>> {
        Ok(entries(&self.root)?.iter().filter(|path| path.is_dir()).map(|path| name(path)).collect())
    }

    /// Files older than `age`, as (account, name, whether it is an upload): a row must name each, or it is left over.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn old(&self, age: Duration) -> io::Result<Vec<(String, String, bool)>> {
        let mut found = Vec::new();
        for account in entries(&self.root)? {
            for (folder, coming) in [(account.clone(), false), (account.join("incoming"), true)] {
                for file in entries(&folder)?.into_iter().filter(|path| path.is_file() && is_older(path, age))
                {
                    found.push((name(&account), name(&file), coming));
                }
            }
        }
        Ok(found)
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(found) => found.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn is_older(path: &Path, age: Duration) -> bool {
    let changed = fs::metadata(path).and_then(|found| found.modified());
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|old| old > age))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
