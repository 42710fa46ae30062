//! Memory files: how secrets and environments reach a child without touching a disk, and where seeds are shared.

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use rustix::fs::{MemfdFlags, SealFlags};

/// A memory file that holds `bytes` and can never change again.
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
    )?;
    Ok(file.into())
}

/// A memory file of `size` bytes, all 0, that never changes its size; its bytes may change. `mode`: who else may open it.
///
/// # Errors
/// The kernel's.
pub fn of_size(name: &str, size: usize, mode: u32) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::fchmod(&fd, mode.into())?;
    rustix::fs::ftruncate(&fd, u64::try_from(size).map_err(io::Error::other)?)?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(fd)
}

/// Whether a descriptor is a memory file of [`of_size`].
///
/// # Errors
/// `InvalidData` if not; the kernel's.
pub fn check_size(fd: impl AsFd, size: usize) -> io::Result<()> {
    let wrong = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let seals = rustix::fs::fcntl_get_seals(&fd).map_err(|_| wrong("it is no memory file"))?;
    if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
        return Err(wrong("its size may change"));
    }
    let found = rustix::fs::fstat(&fd)?.st_size;
    if usize::try_from(found).ok() == Some(size) { Ok(()) } else { Err(wrong("it has another size")) }
}

/// All bytes of a memory file, from its start, whatever its offset. Refuses one that could still change.
pub fn read_sealed(fd: impl AsFd) -> io::Result<Vec<u8>> {
    let seals = rustix::fs::fcntl_get_seals(&fd)?;
    if !seals.contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the memory file is not sealed"));
    }
    let file = File::from(fd.as_fd().try_clone_to_owned()?);
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
