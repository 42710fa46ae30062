//! Packs a folder: the same files give the same bytes, wherever and whenever.
//!
//! Sorted by name, times 0, no owner, modes 0644 and 0755 only. What `.mainstayignore` names (its language is that of
//! `.gitignore`), `.git` and the data folder of this Mainstay stay out. `.gitignore` is not read: what was built is
//! usually ignored by git and is just what must be deployed.

mod contents;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, Metadata},
    io::{self, BufReader, BufWriter, Read, Write},
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use api::artifact::Artifact;
use ignore::{DirEntry, WalkBuilder};
use machine::fs::{open_regular, read_regular};
use model::{Explain, manifest::Source};
use sha2::{Digest as _, Sha256};

use self::contents::Contents;
use crate::{progress::Progress, session::Session};

/// Names what stays out of a release.
pub(crate) const IGNORE_FILE: &str = ".mainstayignore";
/// Bound: a list of names is shorter.
const IGNORE_BYTES_MAX: usize = 1 << 20;
/// Fast, and within a few per cent of what the slow levels reach on code.
const ZSTD_LEVEL: i32 = 3;

/// An artifact that is ready to be sent. A packed one goes with this value.
#[derive(Debug)]
pub(super) struct Packed {
    pub artifact: Artifact,
    /// Of a folder; what an archive holds is not looked at.
    pub contents: Option<Contents>,
    file: Place,
}

#[derive(Debug)]
enum Place {
    Given(PathBuf),
    /// Without a name, so that nothing is left however this process ends; the path leads to the open file.
    Made {
        _file: File,
        path: PathBuf,
    },
}

impl Packed {
    pub(super) fn path(&self) -> &Path {
        match &self.file {
            Place::Given(path) => path,
            Place::Made { path, .. } => path,
        }
    }
}

/// Packs the folder, or measures the archive, that the manifest names below `folder`.
///
/// # Errors
/// It is missing or unreadable, a link leaves the folder, a file is neither file, folder nor link, or changed.
pub(super) fn pack(folder: &Path, source: &Source, session: &Session) -> Result<Packed, Explain> {
    match source {
        // Without the `.` that stands for the folder itself: people read this path.
        Source::Dir(dir) => pack_dir(&folder.join(dir).components().collect::<PathBuf>(), session),
        Source::Artifact(file) => measure(&folder.join(file), session.json()),
    }
}

fn measure(path: &Path, quiet: bool) -> Result<Packed, Explain> {
    let missing = |error: io::Error| no_artifact(path, &error);
    let mut file = open_regular(path).map_err(|error| no_artifact(path, &error))?;
    let metadata = file.metadata().map_err(missing)?;
    let progress = Progress::bytes(quiet, "reading", metadata.len());
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(missing)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
        progress.at(bytes);
    }
    let artifact = Artifact { digest: digest(hasher), bytes };
    Ok(Packed { artifact, contents: None, file: Place::Given(path.to_owned()) })
}

fn no_artifact(path: &Path, error: &dyn std::fmt::Display) -> Explain {
    Explain::new("no-artifact", format!("cannot read the artifact {}", path.display()))
        .caused_by(error.to_string())
        .now("nothing was deployed")
        .help("build it first, or mend `artifact` in [release]; a folder is named by `dir`")
}

fn pack_dir(dir: &Path, session: &Session) -> Result<Packed, Explain> {
    let metadata = std::fs::metadata(dir).map_err(|error| unpackable(dir, &error))?;
    if !metadata.is_dir() {
        return Err(Explain::new("no-folder", format!("{} is no folder", dir.display()))
            .help("`dir` names a folder; an archive is named by `artifact`"));
    }
    let cannot_write = |error: io::Error| {
        Explain::new("cannot-pack", "cannot write the packed folder")
            .caused_by(error.to_string())
            .help("it is written below $TMPDIR, else /tmp: make room there, or set TMPDIR")
    };
    let file = tempfile::tempfile().map_err(cannot_write)?;
    let sink = Hashing { inner: BufWriter::new(file), hasher: Sha256::new(), bytes: 0 };
    let encoder = zstd::Encoder::new(sink, ZSTD_LEVEL).map_err(cannot_write)?;
    let mut tar = tar::Builder::new(encoder);
    let progress = Progress::spinner(session.json());
    progress.doing("packing");
    let (refused, mut contents) = (Refused::default(), Contents::default());
    if !refused.look(dir) {
        refused.none()?;
    }
    for entry in walk(dir, &session.folders.data, refused.clone()) {
        let entry = entry.map_err(|error| {
            Explain::new("cannot-pack", format!("cannot read all of {}", dir.display()))
                .because(&error)
                .help("let this user read it, or leave it out by .mainstayignore")
        })?;
        if let Some(size) = append(&mut tar, dir, &entry)? {
            contents.add(entry.path().strip_prefix(dir).unwrap_or(dir), size);
        }
        if session.globals.verbose {
            session
                .report
                .note(&format!("packed {}", entry.path().strip_prefix(dir).unwrap_or(dir).display()));
        }
    }
    progress.clear();
    refused.none()?;
    let sink = tar.into_inner().and_then(zstd::Encoder::finish).map_err(cannot_write)?;
    let (artifact, mut inner) = (Artifact { digest: digest(sink.hasher), bytes: sink.bytes }, sink.inner);
    inner.flush().map_err(cannot_write)?;
    let file = inner.into_inner().map_err(|error| cannot_write(error.into_error()))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok(Packed { artifact, contents: Some(contents), file: Place::Made { _file: file, path } })
}

/// The first ignore file that is none: a pipe would be waited for, and files would travel that were to stay.
#[derive(Clone, Debug, Default)]
struct Refused(Arc<Mutex<Option<Explain>>>);

impl Refused {
    fn first(&self) -> MutexGuard<'_, Option<Explain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what lies in `dir` may be walked.
    fn look(&self, dir: &Path) -> bool {
        let path = dir.join(IGNORE_FILE);
        match read_regular(&path, IGNORE_BYTES_MAX) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let explain = Explain::new("unreadable-file", format!("cannot read {}", path.display()))
                    .caused_by(error.to_string())
                    .now("nothing was deployed");
                self.first().get_or_insert(explain);
                false
            }
            _ => true,
        }
    }

    fn none(&self) -> Result<(), Explain> {
        self.first().take().map_or(Ok(()), Err)
    }
}

fn walk(dir: &Path, data: &Path, refused: Refused) -> impl Iterator<Item = Result<DirEntry, ignore::Error>> {
    // A Mainstay that is tried out often lives in the app's own folder: its releases would hold all releases before.
    let data = data.canonicalize().ok();
    WalkBuilder::new(dir)
        .standard_filters(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let ours = entry.file_name() == ".git"
                || entry.file_name() == IGNORE_FILE
                || is_data(entry, data.as_deref());
            let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || !(ours || is_dir && !refused.look(entry.path()))
        })
        .build()
        .filter(|entry| entry.as_ref().map_or(true, |entry| entry.depth() > 0))
}

fn is_data(entry: &DirEntry, data: Option<&Path>) -> bool {
    let Some(data) = data.filter(|data| data.file_name() == Some(entry.file_name())) else { return false };
    entry.path().canonicalize().is_ok_and(|path| path == data)
}

type Tar = tar::Builder<zstd::Encoder<'static, Hashing<BufWriter<File>>>>;

/// The size of a file; `None`: a folder or a link.
fn append(tar: &mut Tar, dir: &Path, entry: &DirEntry) -> Result<Option<u64>, Explain> {
    let path = entry.path();
    let name = path.strip_prefix(dir).unwrap_or(path);
    let metadata = std::fs::symlink_metadata(path).map_err(|error| unpackable(path, &error))?;
    let kind = metadata.file_type();
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let written = if kind.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        tar.append_data(&mut header, name, io::empty())
    } else if kind.is_symlink() {
        let target = std::fs::read_link(path).map_err(|error| unpackable(path, &error))?;
        stays_inside(name, &target)?;
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        tar.append_link(&mut header, name, &target)
    } else if kind.is_file() {
        return append_file(tar, path, name, &metadata, header).map(Some);
    } else {
        return Err(Explain::new(
            "cannot-pack",
            format!("{} is neither a file, a folder nor a link", path.display()),
        )
        .help(format!("sockets, pipes and devices do not travel: name it in {IGNORE_FILE}")));
    };
    written.map(|()| None).map_err(|error| unpackable(path, &error))
}

fn append_file(
    tar: &mut Tar,
    path: &Path,
    name: &Path,
    seen: &Metadata,
    mut header: tar::Header,
) -> Result<u64, Explain> {
    let failed = |error: io::Error| unpackable(path, &error);
    // It was a file a moment ago; a pipe in its place would be waited for.
    let file = open_regular(path).map_err(|error| unpackable(path, &error))?;
    let size = file.metadata().map_err(failed)?.len();
    header.set_size(size);
    header.set_mode(if seen.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 });
    // A file that shrinks would shift every header behind it; one that grows would be cut. Both are told.
    let mut exactly = Exactly { inner: BufReader::new(&file).take(size), left: size };
    tar.append_data(&mut header, name, &mut exactly).map_err(failed)?;
    let now = file.metadata().map_err(failed)?;
    if now.len() != size || now.modified().ok() != seen.modified().ok() {
        return Err(changed(path));
    }
    Ok(size)
}

/// Reads exactly so many bytes, or fails.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left -= read as u64;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was packed",
            ));
        }
        Ok(read)
    }
}

/// A link may lead anywhere inside the release, and nowhere else: on the machine the rest is another's.
fn stays_inside(name: &Path, target: &Path) -> Result<(), Explain> {
    let mut depth = name.components().count() as i64 - 1;
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => depth = -1,
        }
        if depth < 0 {
            return Err(Explain::new(
                "link-leaves-folder",
                format!("the link {} leads out of the folder", name.display()),
            )
            .caused_by(format!("it points to {}", target.display()))
            .help(format!("copy what it points to, or name it in {IGNORE_FILE}")));
        }
    }
    Ok(())
}

fn unpackable(path: &Path, error: &dyn std::fmt::Display) -> Explain {
    Explain::new("cannot-pack", format!("cannot pack {}", path.display()))
        .caused_by(error.to_string())
        .now("nothing was deployed")
        .help(format!("mend it, or name it in {IGNORE_FILE}"))
}

fn changed(path: &Path) -> Explain {
    Explain::new("artifact-changed", format!("{} changed while it was packed", path.display()))
        .now("nothing was deployed")
        .help(format!("let the build end first; a log or a database does not belong into a release: name it in {IGNORE_FILE}"))
}

fn digest(hasher: Sha256) -> String {
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Counts and hashes what passes.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hasher.update(buffer.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
