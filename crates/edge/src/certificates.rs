//! The certificates of the settings, followed while the edge runs: a pair of files that changed is served from the next
//! handshake on, and no connection notices.
//!
//! A pair is taken when both files have kept still from one look to the next and the key belongs to the certificate.
//! What is broken, half-written or already expired is kept out and told; the pair of before is served on. A look costs two
//! `stat` a pair; files are read when they changed.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
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
    development: Option<Arc<CertifiedKey>>,
    resolver: Arc<Resolver>,
    told: Told,
}

/// What the control socket says of certificates.
pub(crate) type Told = Arc<ArcSwap<Vec<CertificateStatus>>>;

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
        let mut follower =
            Self { pairs, development: development.map(Arc::new), resolver, told: Told::default() };
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
        self.development.is_some() || self.pairs.iter().any(|pair| pair.served.is_some())
    }

    /// Looks for ever; ends by being dropped.
    pub(crate) async fn follow(mut self, every: Duration) {
        if self.pairs.is_empty() {
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
        if changed {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let mut certificates = Certificates::default();
        for pair in &self.pairs {
            let Some(served) = &pair.served else { continue };
            pair.files.names.iter().for_each(|name| certificates.add(&name.to_ascii_lowercase(), served));
        }
        if let Some(development) = &self.development {
            ["localhost", "*.localhost"].iter().for_each(|name| certificates.add_if_free(name, development));
        }
        self.resolver.0.store(Arc::new(certificates));
        self.told.store(Arc::new(self.pairs.iter().map(Pair::status).collect()));
    }
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

    fn status(&self) -> CertificateStatus {
        let unix_s = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        CertificateStatus {
            names: self.files.names.clone(),
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
