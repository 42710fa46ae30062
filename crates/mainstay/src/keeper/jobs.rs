//! Processes that end by themselves: unpacking, migrations, one-offs. They survive the keeper; the next one finds them
//! by the label that the journal knows.

use std::{
    collections::{HashMap, hash_map::Entry},
    os::unix::fs::chown,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use model::{Explain, ProcessId, Site};
use release::world::{JobEnd, JobOrder};
use supervisor::{
    Cause, Exit, Found, Process, Spec, Supervisor,
    logs::{Line, Stream},
};
use tokio::sync::watch;

use super::{ground::Ground, obstacle, orders};

/// Bound: lines of each stream that an end carries.
const LINES_MAX: usize = 200;

/// The jobs that run, and those that ended while no keeper was there.
#[derive(Default)]
pub(crate) struct Jobs {
    known: Mutex<HashMap<ProcessId, Known>>,
}

#[derive(Clone)]
struct Known {
    /// `None`: it was over when it was found.
    process: Option<Process>,
    end: watch::Receiver<Option<JobEnd>>,
    /// Of a scheduled run, which stays known after its end until [`Jobs::forget`]: a keeper that died before the end was
    /// written down would else leave a run that looks as if it had never begun.
    kept: Option<Box<Spec>>,
}

fn kept(spec: &Spec) -> Option<Box<Spec>> {
    spec.labels.contains_key(orders::SCHEDULED).then(|| Box::new(spec.clone()))
}

impl Jobs {
    /// Takes hold of a job that a keeper before this one started. `false`: it is none.
    pub(crate) fn remember(&self, supervisor: &Supervisor, found: &Found) -> bool {
        let Some(id) = found.spec().labels.get(orders::JOB).and_then(|id| id.parse().ok()) else {
            return false;
        };
        match found {
            Found::Adopted(process) => self.follow(id, process, orders::time_left(process.spec())),
            Found::Ended { spec, exit } => {
                let (code, signal) = code_and_signal(exit);
                let end = Some(JobEnd { code, signal, ..JobEnd::default() });
                let kept = kept(spec);
                if kept.is_none() {
                    let (supervisor, spec) = (supervisor.clone(), spec.clone());
                    tokio::spawn(async move { supervisor.forget(&spec).await });
                }
                self.known().insert(id, Known { process: None, end: watch::channel(end).1, kept });
            }
        }
        true
    }

    /// Those that have not ended.
    pub(crate) fn running(&self) -> Vec<Process> {
        let alive = |known: &Known| known.process.clone().filter(|process| process.exit().is_none());
        self.known().values().filter_map(alive).collect()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<ProcessId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees a job to its end within `limit`, whether or not somebody asks for it, and leaves nothing of it behind but of
    /// a scheduled run.
    fn follow(&self, id: ProcessId, process: &Process, limit: Duration) {
        let (tell, end) = watch::channel(None);
        let kept = kept(process.spec());
        let forgets = kept.is_none();
        self.known().insert(id, Known { process: Some(process.clone()), end, kept });
        let process = process.clone();
        tokio::spawn(async move {
            let end = to_its_end(&process, limit).await;
            if forgets {
                forget(&process).await;
            }
            tell.send_replace(Some(end));
        });
    }

    /// Starts a job; [`Jobs::end`] waits for it.
    /// # Errors
    /// It could not be started.
    pub(crate) async fn start(&self, ground: &Ground, order: &JobOrder) -> Result<(), Explain> {
        enclose(ground, &order.site)?;
        for dir in &order.writable {
            give(ground, &order.site, dir)?;
        }
        let asked = orders::job(ground, order).await?;
        let process = ground.supervisor.spawn(&asked).await.map_err(|error| {
            let what = format!("cannot start {} of {}", asked.name, order.site);
            let explain = Explain::new("job-not-started", what).because(&error);
            // What unpacks is our own program, which runs already.
            if order.is_own { explain } else { obstacle::of_job(ground, order, explain) }
        })?;
        self.follow(order.process, &process, order.timeout);
        Ok(())
    }

    /// The end of a job, of this keeper or of one before it; `None`: nothing is known of it.
    pub(crate) async fn end(&self, id: ProcessId) -> Option<JobEnd> {
        let mut known = self.known().get(&id).cloned()?;
        let end = known.end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        if known.kept.is_none() {
            self.known().remove(&id);
        }
        end
    }

    /// Leaves nothing behind of a scheduled run that has ended; of others nothing is kept.
    pub(crate) async fn forget(&self, supervisor: &Supervisor, id: ProcessId) {
        let has_ended = |known: &Known| known.kept.is_some() && known.end.borrow().is_some();
        let known = match self.known().entry(id) {
            Entry::Occupied(known) if has_ended(known.get()) => known.remove(),
            Entry::Occupied(_) | Entry::Vacant(_) => return,
        };
        match (&known.process, &known.kept) {
            (Some(process), _) => forget(process).await,
            (None, Some(spec)) => supervisor.forget(spec).await,
            (None, None) => {}
        }
    }

    /// Ends all of a site.
    pub(crate) async fn stop_all(&self, site: &Site) {
        for process in self.running() {
            if process.spec().site.as_ref() == Some(site) {
                end(&process).await;
            }
        }
    }

    pub(crate) async fn stop(&self, id: ProcessId) -> Result<(), Explain> {
        let process = self.known().get(&id).and_then(|known| known.process.clone());
        if let Some(process) = process.filter(|process| process.exit().is_none()) {
            stop(&process).await;
        }
        self.end(id).await;
        Ok(())
    }
}

async fn to_its_end(process: &Process, limit: Duration) -> JobEnd {
    match tokio::time::timeout(limit, process.wait()).await {
        Ok(exit) => end_of(&exit, process, false).await,
        Err(_) => {
            stop(process).await;
            let exit = process.wait().await;
            end_of(&exit, process, true).await
        }
    }
}

pub(crate) async fn stop(process: &Process) {
    if let Err(error) = process.stop().await {
        tracing::warn!(process = process.spec().name, %error, "A process could not be told to stop.");
    }
}

/// Stops a process that has no place any more, and leaves nothing of it.
pub(crate) async fn end(process: &Process) {
    stop(process).await;
    process.wait().await;
    forget(process).await;
}

pub(crate) async fn forget(process: &Process) {
    if let Err(error) = process.forget().await {
        tracing::debug!(process = process.spec().name, %error, "What is left of a process stays until its shim ends.");
    }
}

async fn end_of(exit: &Exit, process: &Process, timed_out: bool) -> JobEnd {
    let (code, signal) = code_and_signal(exit);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let tail = process.tail(2 * LINES_MAX).await;
    // A shim that is gone cannot say which lines are this one's: the file has those of the jobs before it, too.
    let began = super::instances::rfc3339(UNIX_EPOCH + Duration::from_millis(process.started_unix_ms()));
    let began = began.trim_end_matches('Z');
    let own = |line: &Line| line.at.as_str() >= began;
    for line in tail.iter().filter_map(|raw| Line::parse(&process.spec().name, raw)).filter(own) {
        match line.stream {
            Stream::Stdout => stdout.push(line.text),
            Stream::Stderr => stderr.push(line.text),
        }
    }
    if let Cause::NotStarted(why) = &exit.cause {
        stderr.push(why.clone());
    }
    JobEnd { code, signal, timed_out, stdout: last(stdout), stderr: last(stderr) }
}

fn last(mut lines: Vec<String>) -> Vec<String> {
    lines.split_off(lines.len().saturating_sub(LINES_MAX))
}

pub(crate) fn code_and_signal(exit: &Exit) -> (Option<i32>, Option<i32>) {
    match exit.cause {
        Cause::Code(code) => (Some(code), None),
        Cause::Signal(signal) => (None, Some(signal)),
        // As a shell says it of what it cannot run.
        Cause::NotStarted(_) => (Some(127), None),
        Cause::Lost => (None, Some(9)),
    }
}

/// Closes the site's folder to everybody but the keeper and the site's account: what is below it, the app's data and
/// code among it, keeps whatever mode the app gives it.
/// # Errors
/// It cannot be made or closed.
pub(crate) fn enclose(ground: &Ground, site: &Site) -> Result<(), Explain> {
    use std::os::unix::fs::PermissionsExt as _;
    let root = release::Layout::new(&ground.folders.data).site(site).root;
    let mode = std::fs::Permissions::from_mode(if ground.users.is_root() { 0o750 } else { 0o700 });
    let group = ground.user(site)?.map(|user| user.ids.gid);
    std::fs::create_dir_all(&root)
        .and_then(|()| chown(&root, None, group))
        .and_then(|()| std::fs::set_permissions(&root, mode))
        .map_err(|error| {
            Explain::new("folder-not-made", format!("cannot close {} to others", root.display()))
                .because(&error)
                .help(
                    "it belongs to the user that runs Mainstay: see who changed that, and the mount it is on",
                )
        })
}

/// Makes a folder and gives it to the site's account.
pub(crate) fn give(ground: &Ground, site: &Site, dir: &Path) -> Result<(), Explain> {
    let failed = |error: std::io::Error| {
        Explain::new("folder-not-made", format!("cannot make {}", dir.display()))
            .because(&error)
            .help("the data folder is the keeper's to write: see its owner, its mount and its free space")
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if let Some(user) = ground.user(site)? {
        chown(dir, Some(user.ids.uid), Some(user.ids.gid)).map_err(failed)?;
    }
    Ok(())
}
