//! Writing below one folder by descriptors, component by component, following no link.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat},
    io::Errno,
};

use super::{UnpackError, paths::Inside};

/// The folder that everything is written below.
pub(super) struct Tree {
    root: OwnedFd,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn failed(path: &[OsString], error: Errno) -> UnpackError {
    if matches!(error, Errno::LOOP | Errno::NOTDIR) {
        return UnpackError::ThroughLink { path: joined(path) };
    }
    UnpackError::Write { path: joined(path), source: error.into() }
}

pub(super) fn joined(path: &[OsString]) -> String {
    path.iter().map(|c| c.to_string_lossy()).collect::<Vec<_>>().join("/")
}

impl Tree {
    pub(super) fn open(root: &Path) -> Result<Self, UnpackError> {
        let opened = rustix::fs::open(root, FOLDER | OFlags::RDONLY, Mode::empty());
        let shown = root.display().to_string();
        Ok(Self { root: opened.map_err(|e| UnpackError::Write { path: shown, source: e.into() })? })
    }

    /// The folder that holds `path`, made with its parents, and the last component.
    pub(super) fn parent<'p>(&self, path: &'p Inside) -> Result<(OwnedFd, &'p OsStr), UnpackError> {
        let Some((name, folders)) = path.split_last() else {
            return Err(UnpackError::BadPath { path: ".".into() });
        };
        Ok((self.folder(folders)?, name))
    }

    /// Opens a folder, making it and its parents where they are missing.
    pub(super) fn folder(&self, path: &[OsString]) -> Result<OwnedFd, UnpackError> {
        let again =
            |fd: &OwnedFd| fd.try_clone().map_err(|e| UnpackError::Write { path: joined(path), source: e });
        let mut here = again(&self.root)?;
        for name in path {
            match mkdirat(&here, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(path, error)),
            }
            here =
                openat(&here, name, FOLDER | OFlags::RDONLY, Mode::empty()).map_err(|e| failed(path, e))?;
        }
        Ok(here)
    }

    /// What stands at `path`, itself, not what it leads to.
    pub(super) fn kind(&self, path: &Inside) -> Result<Option<FileType>, UnpackError> {
        let (folder, name) = self.parent(path)?;
        match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// A new file; a plain file of the same name is replaced, anything else refused.
    pub(super) fn create(&self, path: &Inside, mode: u32) -> Result<File, UnpackError> {
        self.make_way(path)?;
        let (folder, name) = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode((mode & 0o777) | 0o600);
        let file = openat(&folder, name, flags, mode).map_err(|e| failed(path, e))?;
        // The umask is no part of the archive: what was executable for all stays so.
        rustix::fs::fchmod(&file, mode).map_err(|e| failed(path, e))?;
        Ok(file.into())
    }

    pub(super) fn symlink(&self, path: &Inside, target: &OsStr) -> Result<(), UnpackError> {
        if self.kind(path)?.is_some() {
            return Err(UnpackError::Twice { path: joined(path) });
        }
        let (folder, name) = self.parent(path)?;
        rustix::fs::symlinkat(target, &folder, name).map_err(|e| failed(path, e))
    }

    /// A second name for a file that was unpacked before.
    pub(super) fn hardlink(&self, path: &Inside, target: &Inside) -> Result<(), UnpackError> {
        if self.kind(target)? != Some(FileType::RegularFile) {
            return Err(UnpackError::LinkOutside { path: joined(path), target: joined(target) });
        }
        self.make_way(path)?;
        let (folder, name) = self.parent(path)?;
        let (target_folder, target_name) = self.parent(target)?;
        rustix::fs::linkat(&target_folder, target_name, &folder, name, AtFlags::empty())
            .map_err(|e| failed(path, e))
    }

    /// Takes a plain file of this name away.
    fn make_way(&self, path: &Inside) -> Result<(), UnpackError> {
        match self.kind(path)? {
            None => Ok(()),
            Some(FileType::RegularFile) => {
                let (folder, name) = self.parent(path)?;
                rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(|e| failed(path, e))
            }
            Some(_) => Err(UnpackError::Twice { path: joined(path) }),
        }
    }

    /// For whom this process runs as.
    pub(super) fn bytes_free(&self) -> Result<u64, UnpackError> {
        let stat = rustix::fs::fstatvfs(&self.root)
            .map_err(|error| UnpackError::Write { path: ".".into(), source: error.into() })?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Waits until all of it is on the disk.
    pub(super) fn sync(&self) -> Result<(), UnpackError> {
        rustix::fs::syncfs(&self.root)
            .map_err(|error| UnpackError::Write { path: ".".into(), source: io::Error::from(error) })
    }
}
