//! Sealing a release: the keeper takes the files over, top down and following no link, makes them read-only and writes
//! down the digest of each. After that the app's own user cannot change what it runs.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::hex;

/// Version of the stored form.
pub(crate) const FORMAT: u32 = 1;

/// `seal.json`: what the release was when it was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    pub format: u32,
    pub bytes: u64,
    pub entries: u64,
    pub files: Vec<SealedFile>,
    /// Of those, what an earlier release had: since when none has it of its own, in seconds since 1970.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carried: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedFile {
    /// Relative to the release's files, lossy.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Takes over everything below `root` and gives its digests. Blocks on the disk.
///
/// A folder is taken over before it is read, so its former owner can no longer exchange what is in it.
/// # Errors
/// As the file system says; something that is neither file, folder nor link.
pub(crate) fn seal(root: &Path) -> io::Result<Seal> {
    let mut taker = Taker::of(root)?;
    let mut seal = Seal { format: machine::formats::current(FORMAT), ..Seal::default() };
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        taker.take_over(&folder, true)?;
        let mut entries = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = fs::symlink_metadata(&path)?.file_type();
            seal.entries += 1;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                if taker.owner.is_some() {
                    lchown(&path, Some(0), None)?;
                }
            } else if kind.is_file() {
                let (bytes, sha256) = digest(taker.take_over(&path, false)?)?;
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                seal.bytes += bytes;
                seal.files.push(SealedFile { path: relative, bytes, sha256 });
            } else {
                return Err(io::Error::other(format!("{} is no file, folder or link", path.display())));
            }
        }
    }
    // One wait for all of it: a wait for each file would take minutes.
    rustix::fs::syncfs(File::open(root)?)?;
    seal.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(seal)
}

/// What a release was when it was sealed.
/// # Errors
/// The file is not there, or no seal that this version reads.
pub(crate) fn read(path: &Path) -> io::Result<Seal> {
    let seal: Seal = serde_json::from_slice(&fs::read(path)?)?;
    if seal.format > machine::formats::current(FORMAT) {
        return Err(io::Error::other(format!(
            "it is of format {}, which a newer version wrote",
            seal.format
        )));
    }
    Ok(seal)
}

/// Gives entries to the keeper.
struct Taker {
    /// Whose the release was; `None`: the keeper is not root, everything is its own.
    owner: Option<u32>,
    /// Files that were taken over, which may be met again under another name.
    taken: HashSet<(u64, u64)>,
}

impl Taker {
    fn of(root: &Path) -> io::Result<Self> {
        let is_root = rustix::process::geteuid().is_root();
        let owner = if is_root { Some(fs::symlink_metadata(root)?.uid()) } else { None };
        Ok(Self { owner, taken: HashSet::new() })
    }

    /// Takes the right to write away too; the group keeps reading. What is opened is what is looked at and what is
    /// changed: a name may be exchanged in between, and a hard link may lead to a stranger's file.
    fn take_over(&mut self, path: &Path, folder: bool) -> io::Result<File> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
        let found = file.metadata()?;
        if found.is_dir() != folder || !(found.is_dir() || found.is_file()) {
            return Err(io::Error::other(format!("{} was exchanged while it was sealed", path.display())));
        }
        if let Some(owner) = self.owner {
            let is_known = !self.taken.insert((found.dev(), found.ino()));
            if found.uid() != owner && !is_known {
                return Err(io::Error::other(format!("{} belongs to another account", path.display())));
            }
            fchown(&file, Some(0), None)?;
        }
        let owner = (found.mode() >> 6) & 0o5;
        // What its owner could read and run, its group still can: the app's user is in the file's group.
        file.set_permissions(Permissions::from_mode((owner << 6) | (owner << 3) | (found.mode() & 0o5)))?;
        Ok(file)
    }
}

fn digest(mut file: File) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((bytes, hex(&hasher.finalize())));
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
        bytes += n as u64;
    }
}

/// Removes a folder with all that is in it, sealed or not; a missing one is a success. Follows no link.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return fs::remove_file(dir),
        Ok(_) => {}
    }
    if !rustix::process::geteuid().is_root() {
        unlock(dir)?;
    }
    fs::remove_dir_all(dir)
}

/// A plain user may only empty folders that it may write.
fn unlock(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unlock(&entry.path())?;
        }
    }
    Ok(())
}
