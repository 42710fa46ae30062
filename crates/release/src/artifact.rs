//! The store of uploaded artifacts: by digest, in chunks, resumable.
//!
//! `<data>/artifacts/<sha256 hex>.part` grows by appends; when it is whole and its digest right it is renamed to
//! `<sha256 hex>`. What a key sends grows as `<sha256 hex>.<key>.part`: nobody else's upload goes on from its bytes. The keeper never looks inside. Never keeps what no site needs: see [`ArtifactStore::prune`].

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use api::{
    access::KeyName,
    artifact::{Artifact, CHUNK_BYTES_MAX, Received},
};
use model::{Explain, room::round};
use sha2::{Digest, Sha256};

use crate::{
    layout::told,
    request::{Refused, RefusedKind},
};

/// Bound: uploads that are open at once.
const UPLOADS_MAX: usize = 64;
/// An upload that nobody went on with for so long is forgotten.
const PART_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// A whole one that no site serves may wait so long for its deploy.
const WHOLE_AGE_MAX: Duration = Duration::from_secs(3600);

/// Uploads on their way and artifacts that are whole. Cheap to clone.
#[derive(Clone)]
pub struct ArtifactStore {
    dir: PathBuf,
    bytes_max: u64,
    /// Bytes that uploads leave free on the disk.
    reserve_bytes: u64,
    /// One lock a file that grows, so that two clients who send the same do not interleave.
    uploads: Arc<Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>>,
    /// Who sends, where that is not an operator.
    sender: Option<KeyName>,
}

/// `sha256:<64 hex>`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hex(String);

impl Hex {
    fn parse(digest: &str) -> Result<Self, Refused> {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let well_formed =
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if well_formed {
            return Ok(Self(hex.to_owned()));
        }
        let explain = Explain::new("bad-digest", "the artifact's digest is not of the form sha256:<64 hex>")
            .help("use a `mainstay` of this version, or of one beside it");
        Err(Refused::new(RefusedKind::Plan, explain))
    }
}

impl ArtifactStore {
    /// Opens the store below `dir`, making it if it is missing.
    /// # Errors
    /// The folder cannot be made.
    pub fn open(dir: PathBuf, bytes_max: u64, reserve_bytes: u64) -> Result<Self, Explain> {
        fs::create_dir_all(&dir).map_err(|e| told("artifact-store", "make", &dir, &e))?;
        Ok(Self { dir, bytes_max, reserve_bytes, uploads: Arc::default(), sender: None })
    }

    /// The same store for what comes by a key: until it is whole and checked, it is apart from what others send.
    #[must_use]
    pub fn sent_by(&self, key: Option<&KeyName>) -> Self {
        Self { sender: key.cloned(), ..self.clone() }
    }

    fn whole(&self, hex: &Hex) -> PathBuf {
        self.dir.join(&hex.0)
    }

    fn part(&self, hex: &Hex) -> PathBuf {
        match &self.sender {
            Some(key) => self.dir.join(format!("{}.{key}.part", hex.0)),
            None => self.dir.join(format!("{}.part", hex.0)),
        }
    }

    /// How much of a digest is here; `None`: nothing yet.
    /// # Errors
    /// [`RefusedKind::Plan`]: not a digest.
    pub fn received(&self, digest: &str) -> Result<Option<Received>, Refused> {
        let hex = Hex::parse(digest)?;
        if let Ok(whole) = fs::metadata(self.whole(&hex)) {
            return Ok(Some(Received { offset: whole.len(), complete: true }));
        }
        let part = fs::metadata(self.part(&hex)).ok();
        Ok(part.map(|part| Received { offset: part.len(), complete: false }))
    }

    /// Appends one chunk at `offset` of an artifact of `total` bytes and fsyncs; the last one checks the digest. Blocks
    /// on the disk: call it where blocking is allowed.
    ///
    /// A chunk at another offset than the one wanted changes nothing and answers where to go on.
    /// # Errors
    /// Not a digest, too long, no room for what is left of it beside the reserve, the digest of the whole does not match (what
    /// was received is then forgotten), disk.
    pub fn append(&self, digest: &str, total: u64, offset: u64, chunk: &[u8]) -> Result<Received, Refused> {
        let hex = Hex::parse(digest)?;
        let is_too_long = total > self.bytes_max
            || chunk.len() as u64 > CHUNK_BYTES_MAX
            || offset.saturating_add(chunk.len() as u64) > total;
        if is_too_long {
            return Err(Refused::new(RefusedKind::Plan, self.too_long()));
        }
        let path = self.part(&hex);
        let lock = self.lock_of(&path)?;
        let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let here = self.received(digest)?.unwrap_or(Received { offset: 0, complete: false });
        if here.complete || here.offset != offset {
            return Ok(here);
        }
        self.has_room(total - offset)?;
        self.write(&path, offset, chunk)
            .map_err(|e| Refused::failed(told("artifact-write", "write", &path, &e)))?;
        let reached = offset + chunk.len() as u64;
        if reached < total {
            return Ok(Received { offset: reached, complete: false });
        }
        self.finish(&hex, &path)?;
        Ok(Received { offset: reached, complete: true })
    }

    /// Whether an artifact of this length would be taken.
    /// # Errors
    /// It is too long.
    pub(crate) fn check_length(&self, artifact: &Artifact) -> Result<(), Explain> {
        if artifact.bytes > self.bytes_max { Err(self.too_long()) } else { Ok(()) }
    }

    fn too_long(&self) -> Explain {
        Explain::new("artifact-too-long", "the artifact or a chunk of it is too long")
            .caused_by(format!("an artifact may have {} bytes, a chunk {CHUNK_BYTES_MAX}", self.bytes_max))
            .help("leave out what the app does not need, by .mainstayignore: caches, tests, sources of what was built")
    }

    /// Nobody else looks before a deploy begins, and an upload need not be followed by one.
    fn has_room(&self, bytes: u64) -> Result<(), Refused> {
        let free = machine::fs::disk_space(&self.dir)
            .map_err(|e| Refused::failed(told("artifact-write", "ask for the room of", &self.dir, &e)))?
            .bytes_free;
        let wanted = self.reserve_bytes.saturating_add(bytes);
        if free >= wanted {
            return Ok(());
        }
        let explain = Explain::new("disk-space", "there is too little disk space for this upload")
            .caused_by(format!(
                "{} free, {} needed: {} to send, and {} of `disk_reserve`",
                round(free),
                round(wanted),
                round(bytes),
                round(self.reserve_bytes)
            ))
            .now("what was sent before is kept for a day")
            .help("free space on that machine, or keep fewer releases (`release.keep_releases`, `release.keep_bytes`)");
        Err(Refused::new(RefusedKind::Conflict, explain))
    }

    fn lock_of(&self, part: &Path) -> Result<Arc<Mutex<()>>, Refused> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.retain(|_, lock| Arc::strong_count(lock) > 1);
        if uploads.len() >= UPLOADS_MAX && !uploads.contains_key(part) {
            let explain = Explain::new("too-many-uploads", format!("{UPLOADS_MAX} uploads are under way"))
                .help("try again when one of them has ended");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        }
        Ok(Arc::clone(uploads.entry(part.to_owned()).or_default()))
    }

    fn write(&self, path: &Path, offset: u64, chunk: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let written = file.write_all(chunk).and_then(|()| file.sync_data());
        if written.is_err() {
            // A chunk that is half there would be taken for whole: cut it off again.
            let _ = file.set_len(offset);
        }
        written
    }

    fn finish(&self, hex: &Hex, path: &Path) -> Result<(), Refused> {
        let failed = |e: io::Error| Refused::failed(told("artifact-write", "finish", path, &e));
        let found = File::open(path).and_then(sha256).map_err(failed)?;
        if found != format!("sha256:{}", hex.0) {
            fs::remove_file(path).map_err(failed)?;
            let explain = Explain::new("artifact-changed", "the artifact is not what was announced")
                .caused_by(format!("announced sha256:{}, received {found}", hex.0))
                .now("nothing was deployed")
                .help("it changed while it was sent, or the way is damaged: deploy again");
            return Err(Refused::new(RefusedKind::Plan, explain));
        }
        fs::rename(path, self.whole(hex)).and_then(|()| machine::fs::fsync_dir(&self.dir)).map_err(failed)
    }

    /// Where the whole artifact lies.
    /// # Errors
    /// [`RefusedKind::Plan`]: it is not here, or has another length than was said.
    pub fn find(&self, artifact: &Artifact) -> Result<PathBuf, Refused> {
        let path = self.whole(&Hex::parse(&artifact.digest)?);
        let explain = match fs::metadata(&path) {
            Ok(found) if found.len() == artifact.bytes => return Ok(path),
            Ok(found) => Explain::new("artifact-length", "the artifact has another length than was said")
                .caused_by(format!("said {} bytes, found {}", artifact.bytes, found.len()))
                .help("let nothing change the archive while it is sent, and deploy again"),
            Err(_) => Explain::new("artifact-missing", "the artifact was not sent to this machine")
                .caused_by(format!("{} is not in the store", artifact.digest))
                .help("send it first: `mainstay deploy` does"),
        };
        Err(Refused::new(RefusedKind::Plan, explain))
    }

    /// Removes whole artifacts at once whose last release is `gone`, others whose digest is not `served` after an hour, and
    /// uploads that nobody went on with after a day. Who deploys every minute would else keep an hour of archives.
    pub fn prune(&self, served: &BTreeSet<String>, gone: &BTreeSet<String>, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let modified = entry.metadata().and_then(|m| m.modified()).unwrap_or(now);
            let older_than = |max| now.duration_since(modified).is_ok_and(|age| age > max);
            let unneeded = match name.strip_suffix(".part") {
                Some(_) => older_than(PART_AGE_MAX),
                None => {
                    let digest = format!("sha256:{name}");
                    gone.contains(&digest) || older_than(WHOLE_AGE_MAX) && !served.contains(&digest)
                }
            };
            if unneeded && let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(%name, %error, "An artifact cannot be removed.");
            }
        }
    }
}

/// `sha256:<64 hex>` of what is left of a file.
///
/// # Errors
/// The kernel's.
pub fn sha256(mut file: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
    Ok(format!("sha256:{}", hex(&hasher.finalize())))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
