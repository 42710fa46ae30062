//! Another binary in the place of the one that this keeper runs, and the end of this keeper in favour of one of it.
//!
//! The keeper itself looks whether it may: whose signature it is, that no package owns the place, that it is a Mainstay for
//! this machine, that it reads what this one has written. Then the record, the copy of what runs, the new one, each by a
//! rename; then it ends by [`supervisor::up::EXIT_UPGRADE`]. Who starts the next one is its parent's matter; that one says
//! how it went ([`settle`]). Begin with [`Upgrades::upgrade`].

mod guard;
mod probe;
pub(crate) mod records;
mod settle;
mod signature;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use admin::{Operator, Refusal, Reply, Why};
use api::upgrade::{About, Build, Planned, Record, Request, What, unread};
use machine::{child::Executable, failpoint, fs::Staged};
use model::Explain;
use release::ArtifactStore;
use tokio::sync::{Mutex, watch};

use self::records::Records;
pub(crate) use self::{guard::guard, settle::settle};
use super::{ground::Ground, instances::rfc3339};
use crate::{formats, package};

/// Bound: a client's name for an upgrade, a ULID.
const ID_BYTES_MAX: usize = 26;
/// Bound: a signature of minisign's has some 300.
const SIGNATURE_BYTES_MAX: usize = 4096;

pub(crate) struct Upgrades {
    exe: Executable,
    /// Where this binary was found, and where the next one is put.
    path: PathBuf,
    records: Records,
    busy: Mutex<()>,
    gives_way: watch::Sender<bool>,
    /// `sha256:…` of what this process runs.
    digest: String,
}

/// The one that was there before, kept for `--back`.
fn previous(path: &Path) -> PathBuf {
    beside(path, ".previous")
}

/// What was [`previous`] before an upgrade, until that has ended: one that is returned from gives it back.
fn former(path: &Path) -> PathBuf {
    beside(path, ".former")
}

fn beside(path: &Path, behind: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(behind);
    path.with_file_name(name)
}

fn refused(explain: Explain) -> Refusal {
    Refusal::new(Why::Refused, explain)
}

/// An error of an upgrade that has not begun.
fn unchanged(code: &'static str, message: impl Into<String>) -> Explain {
    Explain::new(code, message.into()).now("nothing was changed")
}

impl Upgrades {
    /// # Errors
    /// This executable cannot be found.
    pub(crate) fn open(ground: &Ground) -> Result<Self, Explain> {
        let failed = |error: io::Error| {
            Explain::new("no-executable", "the keeper cannot open its own executable")
                .because(&error)
                .help("was the file removed, or its folder unmounted? Put it back, and start Mainstay again")
        };
        Ok(Self {
            exe: Executable::own().map_err(failed)?,
            path: Executable::own_path().map_err(failed)?,
            records: Records::of(&ground.folders),
            busy: Mutex::default(),
            gives_way: watch::channel(false).0,
            digest: format!("sha256:{}", ground.supervisor.build()),
        })
    }

    /// `sha256:…` of what this process runs.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns when this keeper is to end for the next one's sake.
    pub(crate) async fn wanted(&self) {
        let mut gives_way = self.gives_way.subscribe();
        if gives_way.wait_for(|wanted| *wanted).await.is_err() {
            // The sender is this object's own.
            std::future::pending::<()>().await;
        }
    }

    /// Newest first.
    /// # Errors
    /// The file does not read.
    pub(crate) fn records(&self) -> Result<Vec<Record>, Explain> {
        self.records.read()
    }

    /// The newest, where it was returned from.
    pub(crate) fn returned(&self) -> Option<Record> {
        let newest = self.records.read().ok()?.into_iter().next()?;
        (newest.outcome == Some(api::upgrade::Outcome::Returned)).then_some(newest)
    }

    /// Looks whether the binary may be taken up, and takes it up.
    /// # Errors
    /// It may not, and nothing was changed.
    pub(crate) async fn upgrade(
        &self,
        ground: &Arc<Ground>,
        artifacts: &ArtifactStore,
        by: Operator,
        request: Request,
    ) -> Reply<Planned> {
        let Ok(_alone) = self.busy.try_lock() else {
            let explain = unchanged("upgrade-at-work", "another upgrade is at work")
                .help("`mainstay events --machine` says how it ends");
            return Err(Refusal::new(Why::Conflict, explain));
        };
        let id_fits =
            request.id.len() <= ID_BYTES_MAX && request.id.bytes().all(|c| c.is_ascii_alphanumeric());
        if !id_fits {
            let explain = unchanged("bad-request", "the upgrade has no id that is one");
            return Err(Refusal::new(Why::Malformed, explain));
        }
        let path = self.path.clone();
        blocking(move || refuse_owned(&path)).await.map_err(refused)?;
        let (source, digest, signed) = self.source(ground, artifacts, &request.what).await?;
        let from = Build { version: crate::VERSION.to_owned(), digest: self.digest.clone() };
        let planned = |version: String, same| Planned {
            from: from.clone(),
            to: Build { version, digest: digest.clone() },
            path: self.path.display().to_string(),
            signed: signed.clone(),
            same,
        };
        if digest == from.digest {
            return Ok(planned(crate::VERSION.to_owned(), true));
        }
        let new = self.stage(self.path.clone(), source).await?;
        let about = probe::probe(ground, new.temp()).await.map_err(refused)?;
        let planned = planned(about.version.clone(), false);
        refuse_unreadable(&about, &planned).map_err(refused)?;
        if request.dry_run {
            return Ok(planned);
        }
        let kept = self.exe.bytes().map_err(|error| self.not_written(&error))?;
        let kept = self.stage(previous(&self.path), kept).await?;
        let record = Record {
            id: request.id,
            from,
            to: planned.to.clone(),
            back: matches!(request.what, What::Previous),
            signed: planned.signed.clone(),
            operator: by.name,
            host: ground.host.clone(),
            started: rfc3339(std::time::SystemTime::now()),
            ended: None,
            outcome: None,
            why: None,
            pending: Vec::new(),
        };
        tracing::info!(
            operator = record.operator,
            from = record.from.digest,
            to = record.to.digest,
            "Another binary is put in place; this keeper gives way to one of it."
        );
        self.records.put(record).map_err(refused)?;
        failpoint::hit("upgrade-recorded");
        if let Err(error) = guard::begin(&ground.folders).and_then(|()| place(&self.path, kept, new)) {
            settle(self, ground, &[], Some(&error)).await;
            return Err(self.not_written(&error));
        }
        failpoint::hit("upgrade-placed");
        self.gives_way.send_replace(true);
        Ok(planned)
    }

    /// The bytes, their digest, and what their signature says of them.
    async fn source(
        &self,
        ground: &Arc<Ground>,
        artifacts: &ArtifactStore,
        what: &What,
    ) -> Reply<(File, String, Option<String>)> {
        let unread = |error: io::Error| {
            refused(
                unchanged("upgrade-unreadable", "the binary cannot be read")
                    .because(&error)
                    .help("look at the disk of the data folder, then send it again"),
            )
        };
        let (path, signed) = match what {
            What::Previous => (previous(&self.path), None),
            What::New { artifact, signature } => {
                let keys = signature::trusted(&ground.machine.upgrade_keys).map_err(refused)?;
                if signature.len() > SIGNATURE_BYTES_MAX {
                    let explain =
                        unchanged("signature-unreadable", "the signature is longer than one of minisign's")
                            .help("sign it by `minisign -S -m FILE`, which writes FILE.minisig");
                    return Err(refused(explain));
                }
                let signed = signature::Signed::read(keys, signature).map_err(refused)?;
                // Last: who has not sent it yet is told first what speaks against it.
                let path = artifacts.find(artifact).map_err(|error| refused(error.explain))?;
                (path, Some(signed))
            }
        };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let explain =
                    unchanged("upgrade-no-previous", "no binary from before an upgrade is kept here")
                        .caused_by(format!("{} is not there", path.display()))
                        .help("`mainstay upgrade FILE` takes any signed one, an older one too");
                return Err(refused(explain));
            }
            file => file.map_err(unread)?,
        };
        let copies = (file.try_clone().map_err(unread)?, file.try_clone().map_err(unread)?);
        blocking(move || {
            let (mut to_check, to_digest) = copies;
            let comment = match &signed {
                Some(signed) => Some(signed.check(&mut to_check).map_err(refused)?),
                None => None,
            };
            rewind(&to_digest).map_err(unread)?;
            let digest = release::sha256(to_digest).map_err(unread)?;
            rewind(&file).map_err(unread)?;
            Ok((file, digest, comment))
        })
        .await
    }

    /// Beside its place, with the rights of what lies there now.
    async fn stage(&self, path: PathBuf, mut source: File) -> Reply<Staged> {
        let like = self.path.clone();
        let staged = blocking(move || {
            let like = fs::metadata(like)?;
            let owner = rustix::process::geteuid().is_root().then(|| (like.uid(), like.gid()));
            Staged::write(&path, &mut source, like.mode() & 0o7777, owner)
        });
        staged.await.map_err(|error| self.not_written(&error))
    }

    fn not_written(&self, error: &io::Error) -> Refusal {
        let path = self.path.display();
        let explain = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                unchanged("upgrade-no-room", format!("there is no room for another binary beside {path}"))
                    .help("it needs room for two: the new one, and the one that runs now")
            }
            _ => unchanged("upgrade-unwritable", format!("{path} cannot be replaced")).help(
                "the keeper's user must be able to write its folder; on a read-only system upgrade the image",
            ),
        };
        refused(explain.because(error))
    }
}

/// # Errors
/// A package owns it.
fn refuse_owned(path: &Path) -> Result<(), Explain> {
    let Some(owner) = package::owner(path) else { return Ok(()) };
    let package = &owner.package;
    Err(unchanged("upgrade-of-a-package", format!("{} belongs to the package {package}", path.display()))
        .help(format!("upgrade it by `{}`, then `systemctl restart mainstay-keeper`", owner.upgrade)))
}

/// What runs is kept first: from then on every state can be returned from.
fn place(path: &Path, kept: Staged, new: Staged) -> io::Result<()> {
    move_if_there(&previous(path), &former(path))?;
    failpoint::hit("upgrade-former");
    kept.place()?;
    failpoint::hit("upgrade-kept");
    new.place()
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

fn rewind(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

fn refuse_unreadable(about: &About, planned: &Planned) -> Result<(), Explain> {
    let own = formats::about();
    let unread = unread(&own.formats, &about.formats);
    if unread.is_empty() {
        return Ok(());
    }
    let told = |build: &Build, about: &About| format!("{build} of API {}", about.api);
    Err(unchanged("upgrade-formats", "that binary cannot read what this one has written")
        .caused_by(format!("{} does not read what {} writes: {}", told(&planned.to, about), told(&planned.from, &own), unread.join(", ")))
        .help("go by the versions between, one after the other; a reader knows its own format and the one before"))
}

/// Where it may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
