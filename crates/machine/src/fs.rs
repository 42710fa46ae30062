//! Files that survive a power cut, and how full a disk is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Replaces `path` by `bytes`: temp file, fsync, rename, fsync of the folder. A reader sees the old or the new whole.
///
/// # Errors
/// The kernel's; the old file then stands as it was. A crash may leave a `.new` beside it, which the next call replaces.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write(path, bytes, mode, None)
}

/// The same for a file of another's (uid and gid). It is given away by its descriptor before it has its name: by name, who
/// may write the folder could put a link there and get any file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_for(owner: (u32, u32), path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write(path, bytes, mode, Some(owner))
}

fn write(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let temp = beside(path);
    let written = replace(path, &temp, bytes, mode, owner);
    if written.is_err() {
        // On a full disk half a file would keep the room that is missing.
        let _ = fs::remove_file(&temp);
    }
    written
}

fn replace(path: &Path, temp: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    // A file left by a crash may have another mode or owner; a fresh one has neither.
    match fs::remove_file(temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temp)?;
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    // The umask may have taken bits that the caller wants.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Crash: before the rename the old file stands; after it the new one does, once the folder is synced.
    fs::rename(temp, path)?;
    fsync_dir(path.parent().unwrap_or(Path::new(".")))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Makes the names in a folder durable.
pub fn fsync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// How full the file system of a path is, for an unprivileged writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    pub bytes_total: u64,
    pub bytes_free: u64,
    /// 0 where the file system does not count inodes (btrfs).
    pub inodes_total: u64,
    pub inodes_free: u64,
}

pub fn disk_space(path: &Path) -> io::Result<DiskSpace> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(DiskSpace {
        bytes_total: stat.f_blocks.saturating_mul(stat.f_frsize),
        bytes_free: stat.f_bavail.saturating_mul(stat.f_frsize),
        inodes_total: stat.f_files,
        inodes_free: stat.f_favail,
    })
}

/// Makes a folder with exactly this mode, whatever the umask; one that is there already gets the mode.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
