//! Files that survive a power cut, files that people write, and how full a disk is.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, io::Errno};

/// Replaces `path` by `bytes`: temp file, fsync, rename, fsync of the folder. A reader sees the old or the new whole.
///
/// # Errors
/// The kernel's; the old file then stands as it was. A crash may leave a `.new` beside it, which the next call replaces.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_atomic_for(None, path, bytes, mode)
}

/// The same for a file of another's (uid and gid; `None`: this process's own). It is given away by its descriptor before it has its name: by name, who
/// may write the folder could put a link there and get any file.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_for(owner: Option<(u32, u32)>, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::write(path, &mut &*bytes, mode, owner)?.place()
}

/// A file that is whole and durable beside the place that it is for. Dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    temp: PathBuf,
    path: PathBuf,
    is_placed: bool,
}

impl Staged {
    /// Writes all of `source` to `<path>.new`, for `owner` (uid and gid) or this process's own user.
    ///
    /// # Errors
    /// The kernel's, or those of `source`; nothing is left then.
    pub fn write(
        path: &Path,
        source: &mut impl Read,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> io::Result<Self> {
        // On a full disk half a file would keep the room that is missing: dropped on the way, it is removed.
        let staged = Self { temp: beside(path), path: path.to_owned(), is_placed: false };
        staged.fill(source, mode, owner)?;
        Ok(staged)
    }

    fn fill(&self, source: &mut impl Read, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
        // A file left by a crash may have another mode or owner; a fresh one has neither.
        match fs::remove_file(&self.temp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&self.temp)?;
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        // The umask may have taken bits that the caller wants.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        io::copy(source, &mut file)?;
        file.sync_all()
    }

    /// Where it lies until it is placed.
    pub fn temp(&self) -> &Path {
        &self.temp
    }

    /// Gives it its name, durably.
    ///
    /// # Errors
    /// The kernel's; the old file then stands as it was.
    pub fn place(mut self) -> io::Result<()> {
        // Crash: before the rename the old file stands; after it the new one does, once the folder is synced.
        fs::rename(&self.temp, &self.path)?;
        self.is_placed = true;
        fsync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = fs::remove_file(&self.temp);
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Makes `path` and what is missing above it, each durable in the folder that holds it before the next is made.
///
/// # Errors
/// The kernel's; what was made until then stays.
pub fn make_dirs_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_dirs_durably(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fsync_dir(above)
}

/// Why a file that people write was not read.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    /// Opening a pipe would wait for its writer, reading a device may have no end.
    NoFile {
        /// `a folder`, `a pipe`, …
        is: &'static str,
    },
    TooLong {
        bytes_max: usize,
    },
}

impl ReadError {
    /// [`io::ErrorKind::Other`] for what the kernel would have done.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::NoFile { .. } | Self::TooLong { .. } => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoFile { is } => write!(f, "it is {is}, where a file is wanted"),
            Self::TooLong { bytes_max } => write!(f, "it is longer than {} KiB", bytes_max >> 10),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens a regular file (or a link to one) and nothing else, without ever waiting for anybody.
pub fn open_regular(path: &Path) -> Result<File, ReadError> {
    // Waits for no writer of a pipe, and makes no terminal this process's own.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match file {
        // A socket cannot be opened at all.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            return Err(ReadError::NoFile { is: "a socket or a device" });
        }
        file => file?,
    };
    match other_kind(file.metadata()?.file_type()) {
        Some(is) => Err(ReadError::NoFile { is }),
        None => Ok(file),
    }
}

fn other_kind(kind: fs::FileType) -> Option<&'static str> {
    match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_fifo() => Some("a pipe"),
        () => Some("a device"),
    }
}

/// Reads a small file that people write. A regular one only, and never more than `bytes_max`.
pub fn read_regular(path: &Path, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    // One more than allowed: a file of /proc says no size, and one may grow while it is read.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(ReadError::TooLong { bytes_max }) } else { Ok(bytes) }
}

/// The same for text.
pub fn read_text(path: &Path, bytes_max: usize) -> Result<String, ReadError> {
    let bytes = read_regular(path, bytes_max)?;
    let not_text = |_| ReadError::Io(io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"));
    String::from_utf8(bytes).map_err(not_text)
}

/// Makes the names in a folder durable.
pub fn fsync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether `path` still leads to this file: another process may have renamed or removed it.
///
/// # Errors
/// The file's own metadata cannot be read.
pub fn lies_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    Ok(fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())))
}

/// Whether this process may rename the log `file` away from `path`: of several that write it one at a time, and none that
/// comes too late. The right goes with the file. Never waits: whoever holds it may hang.
///
/// # Errors
/// As of [`lies_at`].
pub fn may_rotate(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => lies_at(file, path),
        Err(_) => Ok(false),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_a_bounded_size_is_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "12345").expect("written");
        std::os::unix::fs::symlink(at("file"), at("link")).expect("linked");
        assert_eq!(read_text(&at("link"), 5).expect("it fits"), "12345");
        assert!(matches!(read_regular(&at("file"), 4), Err(ReadError::TooLong { bytes_max: 4 })));
        assert_eq!(
            read_regular(&at("none"), 4).expect_err("it is not there").kind(),
            io::ErrorKind::NotFound
        );
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        let wanted = [
            (at("pipe"), "it is a pipe, where a file is wanted"),
            (folder.path().to_owned(), "it is a folder, where a file is wanted"),
            (PathBuf::from("/dev/zero"), "it is a device, where a file is wanted"),
            (at("socket"), "it is a socket or a device, where a file is wanted"),
        ];
        for (path, words) in wanted {
            assert_eq!(read_regular(&path, 9).expect_err("no file").to_string(), words);
        }
    }
}
