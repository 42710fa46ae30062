//! The certificates of the settings and of the station's folder, followed while the edge runs: a pair of files that changed is served from the next
//! handshake on, and no connection notices.
//!
//! A pair is taken when both files have kept still from one look to the next and the key belongs to the certificate.
//! What is broken, half-written or already expired is kept out and told; the pair of before is served on. A look costs two
//! `stat` a pair; files are read when they changed. What the station puts there is whole before it has its name, and is taken at
//! the first look.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use net::tls::{CertificateError, Certificates, Resolver};
use rustls::sign::CertifiedKey;

use crate::{
    control::CertificateStatus,
    settings::{Certificate, Tls},
};

/// What looks at the files, and what it has found.
#[derive(Debug)]
pub(crate) struct Follower {
    pairs: Vec<Pair>,
    placed: Option<Placed>,
    development: Option<Arc<CertifiedKey>>,
    resolver: Arc<Resolver>,
    told: Told,
}

/// What the control socket says of certificates.
pub(crate) type Told = Arc<ArcSwap<Vec<CertificateStatus>>>;

/// What the station has put into its folder, by name.
#[derive(Debug)]
struct Placed {
    folder: PathBuf,
    pairs: BTreeMap<String, Pair>,
    /// Why the folder could not be looked at.
    problem: Option<String>,
}

#[derive(Debug)]
struct Pair {
    files: Certificate,
    served: Option<Arc<CertifiedKey>>,
    expires: Option<SystemTime>,
    seen: Seen,
    /// Why the files are not what is served.
    problem: Option<String>,
}

/// The state of both files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Unknown,
    /// They may be half-written: the next look tells whether they keep still.
    Moving([Stamp; 2]),
    /// They were read, or refused, like this.
    Judged([Stamp; 2]),
}

/// Changes whenever a file is written, replaced or moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

/// Why a pair is not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Read(CertificateError),
    #[error("the certificate {0} has expired already")]
    Expired(String),
}

impl Follower {
    /// Reads all pairs for the first time. One that cannot be used is told and left out: other names are served. Blocking.
    pub(crate) fn begin(settings: &Tls, development: Option<CertifiedKey>) -> Self {
        let pairs = settings.certificates.iter().map(Pair::begin).collect();
        let resolver = Arc::new(Resolver::default());
        let development = development.map(Arc::new);
        let placed = settings.acme.as_deref().map(Placed::begin);
        let mut follower = Self { pairs, placed, development, resolver, told: Told::default() };
        follower.publish();
        follower
    }

    pub(crate) fn resolver(&self) -> Arc<Resolver> {
        Arc::clone(&self.resolver)
    }

    pub(crate) fn told(&self) -> Told {
        Arc::clone(&self.told)
    }

    /// Whether there is one that can be shown.
    pub(crate) fn has_any(&self) -> bool {
        self.development.is_some() || self.all().any(|(pair, _)| pair.served.is_some())
    }

    /// Looks for ever; ends by being dropped.
    pub(crate) async fn follow(mut self, every: Duration) {
        if self.pairs.is_empty() && self.placed.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(every).await;
            // Files may lie on a disk that hangs.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looked.await {
                Ok(follower) => follower,
                Err(error) => {
                    tracing::error!(%error, "certificates are not followed any more; those of now are served on");
                    return;
                }
            };
        }
    }

    fn look(&mut self) {
        let changed = self.pairs.iter_mut().map(Pair::look).fold(false, |any, changed| any | changed);
        let placed = self.placed.as_mut().is_some_and(Placed::look);
        if changed || placed {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let mut certificates = Certificates::default();
        // A name that waits for a certificate is shown one that says what it is, and not that of another name.
        if let Some(development) = self.development.as_ref().filter(|_| self.placed.is_some()) {
            certificates.fall_back_to(development);
        }
        for (pair, is_placed) in self.all() {
            let Some(served) = &pair.served else { continue };
            let is_signed = !net::tls::is_self_signed(served);
            for name in pair.files.names.iter().map(|name| name.to_ascii_lowercase()) {
                if is_signed {
                    certificates.note_signed(&name);
                }
                match is_placed {
                    true => certificates.add_if_free(&name, served),
                    false => certificates.add(&name, served),
                }
            }
        }
        if let Some(development) = &self.development {
            ["localhost", "*.localhost"].iter().for_each(|name| certificates.add_if_free(name, development));
        }
        self.resolver.0.store(Arc::new(certificates));
        self.told.store(Arc::new(self.all().map(|(pair, is_placed)| pair.status(is_placed)).collect()));
    }

    /// Those of the settings first: they hold over those of the station, of which the second says whether it is one.
    fn all(&self) -> impl Iterator<Item = (&Pair, bool)> {
        let placed = self.placed.iter().flat_map(|placed| placed.pairs.values());
        self.pairs.iter().map(|pair| (pair, false)).chain(placed.map(|pair| (pair, true)))
    }
}

impl Placed {
    fn begin(folder: &Path) -> Self {
        let mut placed = Self { folder: folder.to_owned(), pairs: BTreeMap::new(), problem: None };
        placed.look();
        placed
    }

    /// Gives whether there is something to tell. A folder that cannot be looked at takes no certificate away.
    fn look(&mut self) -> bool {
        let found = match placed_in(&self.folder) {
            Ok(found) => found,
            Err(error) => {
                let problem = Some(error.to_string());
                if self.problem != problem {
                    tracing::error!(folder = %self.folder.display(), %error, "the folder of certificates cannot be looked at; those of before are served on");
                    self.problem = problem;
                }
                return false;
            }
        };
        self.problem = None;
        let before = self.pairs.len();
        self.pairs.retain(|name, _| found.contains_key(name));
        let mut changed = self.pairs.len() != before;
        for (name, files) in found {
            match self.pairs.get_mut(&name) {
                Some(pair) => changed |= pair.look_at(files),
                None => {
                    self.pairs.insert(name, Pair::begin(&files));
                    changed = true;
                }
            }
        }
        changed
    }
}

/// By name, the files that its link names now.
fn placed_in(folder: &Path) -> io::Result<BTreeMap<String, Certificate>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Ok(link) = fs::read_link(path.join("now")) else { continue };
        // A name in the same folder, wherever it says that it leads.
        let mut parts = link.components();
        let (Some(Component::Normal(serial)), None) = (parts.next(), parts.next()) else { continue };
        let name = name.strip_prefix("_.").map_or_else(|| name.to_owned(), |rest| format!("*.{rest}"));
        let own = path.join(serial);
        let files =
            Certificate { names: vec![name.clone()], cert: own.join("chain.pem"), key: own.join("key.pem") };
        found.insert(name, files);
    }
    Ok(found)
}

impl Pair {
    fn begin(files: &Certificate) -> Self {
        let mut pair =
            Self { files: files.clone(), served: None, expires: None, seen: Seen::Unknown, problem: None };
        match pair.stamps() {
            Ok(stamps) => pair.judge(stamps),
            Err(error) => pair.cannot_look(&error),
        };
        pair
    }

    /// The same of files that were whole before they had their names: others are taken at once.
    fn look_at(&mut self, files: Certificate) -> bool {
        if self.files == files {
            return self.look();
        }
        self.files = files;
        match self.stamps() {
            Ok(stamps) => self.judge(stamps),
            Err(error) => self.cannot_look(&error),
        }
    }

    /// Gives whether there is something to tell.
    fn look(&mut self) -> bool {
        match (self.stamps(), &self.seen) {
            (Err(error), _) => self.cannot_look(&error),
            (Ok(stamps), Seen::Judged(before)) if *before == stamps => false,
            (Ok(stamps), Seen::Moving(before)) if *before == stamps => self.judge(stamps),
            (Ok(stamps), _) => {
                self.seen = Seen::Moving(stamps);
                false
            }
        }
    }

    fn judge(&mut self, stamps: [Stamp; 2]) -> bool {
        let read = self.read();
        // Written while it was read: what was read may be of two minds.
        if !self.stamps().is_ok_and(|after| after == stamps) && self.served.is_some() {
            self.seen = Seen::Unknown;
            return false;
        }
        self.seen = Seen::Judged(stamps);
        let names = self.files.names.join(" ");
        match read {
            Ok((certificate, expires)) => {
                if self.served.replace(certificate).is_some() {
                    tracing::info!(names, "a renewed certificate is served");
                }
                (self.expires, self.problem) = (expires, None);
                true
            }
            Err(refused) => self.refuse(words(&refused)),
        }
    }

    fn read(&self) -> Result<(Arc<CertifiedKey>, Option<SystemTime>), Refused> {
        let read = net::tls::read_certificate(&self.files.cert, &self.files.key).map_err(Refused::Read)?;
        let expires = net::tls::expiry(&read);
        let now = SystemTime::now();
        let is_over = |expires: Option<SystemTime>| expires.is_some_and(|at| at <= now);
        if is_over(expires) && self.served.is_some() && !is_over(self.expires) {
            return Err(Refused::Expired(self.files.cert.display().to_string()));
        }
        Ok((Arc::new(read), expires))
    }

    fn cannot_look(&mut self, error: &io::Error) -> bool {
        self.seen = Seen::Unknown;
        let (cert, key) = (self.files.cert.display(), self.files.key.display());
        self.refuse(format!("cannot look at {cert} or {key}: {error}"))
    }

    fn refuse(&mut self, problem: String) -> bool {
        let problem = Some(problem);
        if self.problem == problem {
            return false;
        }
        self.problem = problem;
        let (names, problem) = (self.files.names.join(" "), self.problem.as_deref());
        if self.served.is_some() {
            tracing::warn!(
                names,
                problem,
                "a changed certificate is not taken; the one of before is served on"
            );
        } else {
            tracing::error!(
                names,
                problem,
                "a certificate cannot be used; its names are answered with another"
            );
        }
        true
    }

    fn stamps(&self) -> io::Result<[Stamp; 2]> {
        Ok([Stamp::of(&self.files.cert)?, Stamp::of(&self.files.key)?])
    }

    fn status(&self, acme: bool) -> CertificateStatus {
        let unix_s = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        CertificateStatus {
            names: self.files.names.clone(),
            acme,
            cert: self.files.cert.clone(),
            served: self.served.is_some(),
            expires_unix_s: self.expires.map(unix_s),
            problem: self.problem.clone(),
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// An error and its causes in one line.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

#[cfg(test)]
mod tests;
