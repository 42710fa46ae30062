//! A page of counters in memory that one process stamps and another reads: how a process is seen to turn without being
//! asked anything, and without waiting for an answer that a hung one would owe.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use rustix::fs::{MemfdFlags, SealFlags};

/// Counters of one page.
pub const SLOTS: usize = PAGE / SLOT;
const PAGE: usize = 4096;
const SLOT: usize = size_of::<u64>();

/// What one stamp says: another number than the last, and whether the process had something open then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat(u64);

impl Beat {
    pub const SILENT: Self = Self(0);

    /// `at` may be any time or count that moves on.
    pub fn new(at: u64, is_busy: bool) -> Self {
        Self(at.max(1) << 1 | u64::from(is_busy))
    }

    pub fn is_busy(self) -> bool {
        self.0 & 1 == 1
    }
}

/// A copy shares the page: descriptors of one memory file.
#[derive(Debug)]
pub struct Pulse(File);

impl Pulse {
    /// A page whose slots all say [`Beat::SILENT`]: nobody promises to stamp them. Its size is sealed, so that a writer cannot take it away from a reader.
    pub fn new(name: &str) -> io::Result<Self> {
        let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let file = File::from(fd);
        file.set_len(PAGE as u64)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self(file))
    }

    /// Writes one slot. A number beyond [`SLOTS`] is refused by the seal.
    pub fn stamp(&self, slot: usize, beat: Beat) -> io::Result<()> {
        self.0.write_all_at(&beat.0.to_ne_bytes(), (slot * SLOT) as u64)
    }

    /// One slot as it is now. A write that is half done reads as some other value, never as an error.
    pub fn read(&self, slot: usize) -> io::Result<Beat> {
        let mut bytes = [0; SLOT];
        self.0.read_exact_at(&mut bytes, (slot * SLOT) as u64)?;
        Ok(Beat(u64::from_ne_bytes(bytes)))
    }
}

impl From<OwnedFd> for Pulse {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl From<Pulse> for OwnedFd {
    fn from(pulse: Pulse) -> Self {
        pulse.0.into()
    }
}

impl AsFd for Pulse {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_holder_stamps_another_reads_and_nobody_takes_the_page_away() {
        let writer = Pulse::new("pulse").expect("a page");
        let reader = Pulse::from(writer.as_fd().try_clone_to_owned().expect("a copy"));
        assert_eq!(reader.read(3).expect("read"), Beat::SILENT);
        let beat = Beat::new(7, true);
        writer.stamp(3, beat).expect("stamped");
        assert_eq!((reader.read(2).expect("read"), reader.read(3).expect("read")), (Beat::SILENT, beat));
        assert!(beat.is_busy() && !Beat::new(0, false).is_busy() && Beat::new(0, false) != Beat::SILENT);
        assert!(writer.stamp(SLOTS, beat).is_err(), "beyond the page");
        assert!(writer.0.set_len(0).is_err(), "its size is sealed");
    }
}
