//! Locks that the kernel frees when their holder dies.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use rustix::fs::FlockOperation;

/// A POSIX (fcntl) lock: held by this process alone, never by children.
///
/// Invariant: nobody else in this process opens and closes the same file, which would silently release it.
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// `Ok(None)`: another process holds it.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let taken = rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(held(taken)?.then_some(Self { _file: file }))
    }
}

/// A BSD lock (flock): held by the open file, also by children that inherit it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// `Ok(None)`: someone holds it.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let taken = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(held(taken)?.then_some(Self { file }))
    }

    /// One that another image of this process took, by its descriptor.
    pub fn adopt(held: OwnedFd) -> Self {
        Self { file: held.into() }
    }
}

impl AsFd for FileLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn held(taken: rustix::io::Result<()>) -> io::Result<bool> {
    match taken {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
