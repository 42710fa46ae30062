//! Opens what lies beneath one folder, and nothing else: the kernel resolves each path from that folder's descriptor and
//! refuses what would leave it (openat2, `RESOLVE_BENEATH`), links too.

use std::{
    fs::File,
    future::{Ready, ready},
    io,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs as serving;

/// Asked for by everybody who must find something at an agreed place (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Beneath {
    root: Arc<OwnedFd>,
    /// Of every file: when it came with its release. The times in an archive say nothing of whether a file has changed
    /// from one release to the next: many are packed with one and the same.
    since: SystemTime,
}

impl Beneath {
    /// # Errors
    /// There is no such folder, or it may not be read.
    pub(crate) fn open(release: &Path, root: &str) -> io::Result<Self> {
        let since = std::fs::metadata(release)?.modified()?;
        let release = File::open(release)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let root = rustix::fs::openat2(release, root, flags, Mode::empty(), resolve)?;
        Ok(Self { root: Arc::new(root), since })
    }

    /// The file or folder at a path that begins with a slash, decoded.
    fn at(&self, path: &Path) -> io::Result<Opened> {
        let inner = inner(path).ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened =
            rustix::fs::openat2(&*self.root, inner, flags, Mode::empty(), resolve).map_err(not_there)?;
        let file = File::from(opened);
        let found = file.metadata()?;
        if !found.is_dir() && !found.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let about = About { is_dir: found.is_dir(), bytes: found.len(), since: self.since };
        Ok(Opened { file: tokio::fs::File::from_std(file), about })
    }
}

/// The same path without its slash; `None`: it names what is served to nobody.
fn inner(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                let is_hidden = name.as_encoded_bytes().starts_with(b".");
                if is_hidden && !(inner.as_os_str().is_empty() && name == WELL_KNOWN) {
                    return None;
                }
                inner.push(name);
            }
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(if inner.as_os_str().is_empty() { PathBuf::from(".") } else { inner })
}

/// Whatever may not be opened is not there: the client learns nothing of why.
fn not_there(error: rustix::io::Errno) -> io::Error {
    use rustix::io::Errno;
    match error {
        Errno::XDEV | Errno::LOOP | Errno::NOTDIR | Errno::ACCESS | Errno::NAMETOOLONG | Errno::NXIO => {
            io::ErrorKind::NotFound.into()
        }
        error => error.into(),
    }
}

/// What there is to know of a file without reading it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    is_dir: bool,
    bytes: u64,
    since: SystemTime,
}

impl serving::Metadata for About {
    fn is_dir(&self) -> bool {
        self.is_dir
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.since)
    }

    fn len(&self) -> u64 {
        self.bytes
    }
}

#[derive(Debug)]
pub(crate) struct Opened {
    file: tokio::fs::File,
    about: About,
}

impl serving::File for Opened {
    type Metadata = About;
    type MetadataFuture<'a> = Ready<io::Result<About>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        // Reading a folder's bytes fails only once they are sent.
        ready(if self.about.is_dir { Err(io::ErrorKind::NotFound.into()) } else { Ok(self.about) })
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, to)
    }
}

impl AsyncSeek for Opened {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}

type Later<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl serving::Backend for Beneath {
    type File = Opened;
    type Metadata = About;
    type OpenFuture = Later<Opened>;
    type MetadataFuture = Later<About>;

    fn open(&self, path: PathBuf) -> Later<Opened> {
        let own = self.clone();
        Box::pin(async move { off_the_thread(move || own.at(&path)).await })
    }

    fn metadata(&self, path: PathBuf) -> Later<About> {
        let own = self.clone();
        Box::pin(async move { off_the_thread(move || own.at(&path).map(|opened| opened.about)).await })
    }
}

/// A disk may hang, and others are to be answered meanwhile.
async fn off_the_thread<T: Send + 'static>(
    look: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?
}
