//! Processes that end by themselves: unpacking, migrations, one-offs. They survive the keeper; the next one finds them
//! by the label that the journal knows.

use std::{
    collections::HashMap,
    os::unix::fs::chown,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use model::{Explain, ProcessId, Site};
use release::world::{JobEnd, JobOrder};
use supervisor::{
    Cause, Exit, Found, Process, StopPlan,
    logs::{Line, Stream},
};

use super::{ground::Ground, orders};

/// Bound: lines of each stream that an end carries.
const LINES_MAX: usize = 200;
/// From SIGTERM to SIGKILL for a job whose time is over.
const GRACE: Duration = Duration::from_secs(10);

/// The jobs that run, and those that ended while no keeper was there.
#[derive(Default)]
pub(crate) struct Jobs {
    known: Mutex<HashMap<ProcessId, Known>>,
}

#[derive(Clone)]
enum Known {
    Alive(Process),
    Ended(Exit),
}

impl Jobs {
    /// Takes note of a job that a keeper before this one started. `false`: it is none.
    pub(crate) fn remember(&self, found: &Found) -> bool {
        let Some(id) = found.spec().labels.get(orders::JOB).and_then(|id| id.parse().ok()) else {
            return false;
        };
        let known = match found {
            Found::Adopted(process) => Known::Alive(process.clone()),
            Found::Ended { exit, .. } => Known::Ended(exit.clone()),
        };
        self.known().insert(id, known);
        true
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<ProcessId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a job to its end.
    /// # Errors
    /// It could not be started.
    pub(crate) async fn run(&self, ground: &Ground, order: &JobOrder) -> Result<JobEnd, Explain> {
        enclose(ground, &order.site)?;
        for dir in &order.writable {
            give(ground, &order.site, dir)?;
        }
        let asked = orders::job(ground, order).await?;
        let process = ground.supervisor.spawn(&asked).await.map_err(|error| {
            Explain::new("job-not-started", format!("cannot start {} of {}", asked.name, order.site))
                .because(&error)
        })?;
        self.known().insert(order.process, Known::Alive(process.clone()));
        let end = to_its_end(&process, order.timeout).await;
        self.known().remove(&order.process);
        forget(&process).await;
        Ok(end)
    }

    /// The end of a job that another keeper started; `None`: nothing is known of it.
    pub(crate) async fn adopt(&self, id: ProcessId) -> Option<JobEnd> {
        let known = self.known().get(&id).cloned()?;
        let end = match known {
            Known::Alive(process) => {
                let end = end_of(&process.wait().await, &process, false).await;
                forget(&process).await;
                end
            }
            Known::Ended(exit) => {
                let (code, signal) = code_and_signal(&exit);
                JobEnd { code, signal, ..JobEnd::default() }
            }
        };
        self.known().remove(&id);
        Some(end)
    }

    pub(crate) async fn stop(&self, id: ProcessId) -> Result<(), Explain> {
        let known = self.known().get(&id).cloned();
        let Some(Known::Alive(process)) = known else { return Ok(()) };
        stop(&process).await;
        process.wait().await;
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
    if let Err(error) = process.stop_with(StopPlan { signal: 15, grace: GRACE }).await {
        tracing::warn!(%error, "A job could not be told to stop.");
    }
}

pub(crate) async fn forget(process: &Process) {
    if let Err(error) = process.forget().await {
        tracing::debug!(%error, "What is left of a job stays until its shim ends.");
    }
}

async fn end_of(exit: &Exit, process: &Process, timed_out: bool) -> JobEnd {
    let (code, signal) = code_and_signal(exit);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let tail = process.tail(2 * LINES_MAX).await;
    for line in tail.iter().filter_map(|raw| Line::parse(&process.spec().name, raw)) {
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
        })
}

/// Makes a folder and gives it to the site's account.
pub(crate) fn give(ground: &Ground, site: &Site, dir: &Path) -> Result<(), Explain> {
    let failed = |error: std::io::Error| {
        Explain::new("folder-not-made", format!("cannot make {}", dir.display())).because(&error)
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if let Some(user) = ground.user(site)? {
        chown(dir, Some(user.ids.uid), Some(user.ids.gid)).map_err(failed)?;
    }
    Ok(())
}
