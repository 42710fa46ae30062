//! What a new keeper finds below the run folder, and how it takes hold of it again. Start and restart are the same
//! code: the first start finds nothing.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use machine::lock::FileLock;

use model::Address;

use crate::{
    Exit, Process, Spec, Supervisor,
    ctl::Ctl,
    dirs,
    process::read_exit,
    protocol::{self, Answer, Request},
    spawn::folder,
    spec, strays,
};

/// One folder of `<run>/i/`.
#[derive(Debug)]
pub enum Found {
    /// Its shim answers: adopted. The process itself may have ended; then `wait` answers at once.
    Adopted(Process),
    /// It ended while nobody looked. `exit.cause` is `Lost` where nobody saw how. Its folder stays until
    /// [`Supervisor::forget`].
    Ended { spec: Box<Spec>, exit: Exit },
}

impl Found {
    pub fn spec(&self) -> &Spec {
        match self {
            Self::Adopted(process) => process.spec(),
            Self::Ended { spec, .. } => spec,
        }
    }
}

/// Why nothing was looked at, and nothing touched.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// This version cannot know what it would do to such a process; the version that started it can.
    #[error("{} has the format {found}, and this version reads up to {}", path.display(), spec::format())]
    Newer { path: PathBuf, found: u32 },
}

/// A shim younger than this may not have its `ctl` yet.
const BIRTH: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What cannot be read as a process, and may have been one, is removed when it is older than this.
const JUNK_AFTER: Duration = Duration::from_secs(60);

/// Whether a process, or what is left of one, has its folder below the run folder.
pub fn has_processes(run_dir: &Path) -> bool {
    fs::read_dir(dirs::all(run_dir)).is_ok_and(|mut entries| entries.next().is_some())
}

/// How many processes below the run folder have a shim that answers. For a client that finds no keeper; touches nothing.
/// Blocking.
pub fn living(run_dir: &Path) -> usize {
    living_dirs(run_dir).count()
}

/// The same by name, `web.42.1 of shop/production`, sorted. Blocking.
pub fn living_names(run_dir: &Path) -> Vec<String> {
    let name = |dir: PathBuf| match read_spec(&dir) {
        Some((Spec { name, site: Some(site), .. }, _)) => format!("{name} of {site}"),
        Some((Spec { name, .. }, _)) => name,
        None => dir.display().to_string(),
    };
    let mut names: Vec<String> = living_dirs(run_dir).map(name).collect();
    names.sort();
    names
}

fn living_dirs(run_dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dirs::all(run_dir)).into_iter().flatten().flatten();
    let answers = |dir: PathBuf| {
        let folder = fs::File::open(dir)?;
        UnixStream::connect(crate::shim::through(&folder).join("ctl"))
    };
    entries.map(|entry| entry.path()).filter(move |dir| answers(dir.clone()).is_ok())
}

impl Supervisor {
    /// What lives or lay below the run folder when this keeper began, oldest first: call it once, before the first
    /// spawn. Cgroups that belong to no folder are killed, temporary folders that belong to none removed. Takes up to 2 s
    /// where a shim is just being born, 2 s more for each that hangs; a hung one is killed, because nobody could ever
    /// stop its app.
    ///
    /// # Errors
    /// [`ObserveError`]; then everything is as it was.
    pub async fn observe(&self) -> Result<Vec<Found>, ObserveError> {
        let mut dirs: Vec<PathBuf> = match fs::read_dir(dirs::all(&self.inner.settings.run_dir)) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => Vec::new(),
        };
        dirs.sort();
        dirs.iter().try_for_each(|dir| check_format(dir))?;
        let mut found = Vec::new();
        for dir in dirs {
            found.extend(self.observe_one(dir).await);
        }
        let inner = self.inner.clone();
        let _ = tokio::task::spawn_blocking(move || folder::remove_orphaned_tmp(&inner)).await;
        if self.inner.tree.is_some() {
            let known: Vec<_> = found.iter().map(|found| found.spec().id).collect();
            let inner = self.inner.clone();
            let kill = move || inner.tree.as_ref().map(|tree| tree.kill_unknown(&known));
            let _ = tokio::task::spawn_blocking(kill).await;
        }
        Ok(found)
    }

    /// Removes what is left of an ended process, its shim too if that still answers.
    pub async fn forget(&self, spec: &Spec) {
        let dir = dirs::of(&self.inner.settings.run_dir, spec.id);
        if let Ok(mut ctl) = Ctl::connect(&dir).await {
            // Refused: it has not ended after all, and is left alone.
            if let Ok(Answer::Error(why)) = ctl.ask(&Request::Forget).await {
                tracing::warn!(name = spec.name, why, "a process is not forgotten");
                return;
            }
        }
        let (inner, spec) = (self.inner.clone(), spec.clone());
        let _ = tokio::task::spawn_blocking(move || folder::remove(&inner, &spec)).await;
    }

    async fn observe_one(&self, dir: PathBuf) -> Option<Found> {
        let Some((spec, digest)) = read_spec(&dir) else {
            remove_junk(&dir);
            return None;
        };
        let until = Instant::now() + BIRTH.saturating_sub(age(&dir));
        loop {
            let lease = match &spec.address {
                Some(Address::Tcp(address)) => self.inner.ports.lease(address.port()),
                _ => None,
            };
            match Process::attach(self, spec.clone(), dir.clone(), &digest, lease).await {
                Ok(process) => return Some(Found::Adopted(process)),
                Err(error) if is_dead(&dir, &error) && Instant::now() >= until => break,
                // Alive and silent, or of another spec: nobody could hold on to it.
                Err(error) if Instant::now() >= until => {
                    tracing::warn!(dir = %dir.display(), %error, "a shim does not answer; it is killed");
                    kill_hung(&dir, &spec).await;
                    break;
                }
                Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        if let Some(place) = &spec.cgroup {
            let _ = machine::cgroup::kill(place);
        }
        let (inner, dead) = (self.inner.clone(), spec.clone());
        let _ = tokio::task::spawn_blocking(move || strays::kill(&inner, &dead)).await;
        let exit = read_exit(&dir).unwrap_or_else(|| Exit::lost(machine::clock::now_unix_ms()));
        Some(Found::Ended { spec: Box::new(spec), exit })
    }
}

/// A spec of this version or the one before is read, and one that does not even say its format is judged later.
fn check_format(dir: &Path) -> Result<(), ObserveError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let path = dirs::spec(dir);
    let said: Option<Format> = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match said {
        Some(Format { format: found }) if found > spec::format() => Err(ObserveError::Newer { path, found }),
        _ => Ok(()),
    }
}

fn read_spec(dir: &Path) -> Option<(Spec, String)> {
    let bytes = fs::read(dirs::spec(dir)).ok()?;
    Some((serde_json::from_slice(&bytes).ok()?, protocol::digest(&bytes)))
}

/// A folder without a readable spec: a spawn whose keeper died at its first steps, or not ours. Without a spec there was no
/// shim yet, and the keeper that was to start one is dead: at most one lives.
fn remove_junk(dir: &Path) {
    let is_unborn =
        [dirs::spec(dir), dirs::lock(dir)].iter().all(|path| matches!(path.try_exists(), Ok(false)));
    if is_unborn || age(dir) >= JUNK_AFTER {
        let _ = fs::remove_dir_all(dir);
    }
}

fn age(dir: &Path) -> Duration {
    let made = fs::metadata(dirs::spec(dir)).or_else(|_| fs::metadata(dir)).and_then(|meta| meta.modified());
    made.ok().and_then(|made| SystemTime::now().duration_since(made).ok()).unwrap_or_default()
}

/// Nobody holds the shim's lock: the shim is not, or not any more.
fn is_dead(dir: &Path, error: &io::Error) -> bool {
    let silent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    silent && FileLock::try_acquire(&dirs::lock(dir)).is_ok_and(|lock| lock.is_some())
}

/// SIGKILL to a shim that holds its lock and does not answer; its app dies with it (PDEATHSIG), and with its cgroup.
pub(crate) async fn kill_hung(dir: &Path, spec: &Spec) {
    const SIGKILL: i32 = 9;
    // The kernel remembers who called `listen`: the shim, whose pid cannot be another's while it holds the socket.
    let pidfd = match Ctl::connect(dir).await.and_then(|ctl| ctl.peer()) {
        Ok(peer) => machine::pidfd::open(peer.pid).ok(),
        Err(_) => None,
    };
    if let Some(place) = &spec.cgroup {
        let _ = machine::cgroup::kill(place);
    }
    if let Some(pidfd) = pidfd {
        let _ = machine::pidfd::signal(&pidfd, SIGKILL);
        let until = Instant::now() + BIRTH;
        while !machine::pidfd::has_ended(&pidfd) && Instant::now() < until {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
