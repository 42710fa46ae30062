//! Making a child process.

use std::{fs::File, os::fd::OwnedFd, path::Path};

/// An executable held open, so that what runs is what was opened, whatever stands at its path by then.
#[derive(Debug)]
pub struct Executable(OwnedFd);

impl Executable {
    /// The one that this process runs.
    pub fn own() -> std::io::Result<Self> {
        Self::open(Path::new("/proc/self/exe"))
    }

    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }
}
