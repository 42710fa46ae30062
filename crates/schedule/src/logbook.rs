//! What became of every run: one small file a site, replaced atomically before anybody acts on it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use machine::formats;
use model::{Explain, ProcessId, ReleaseNumber, ServiceName};
use serde::{Deserialize, Serialize};

use crate::plan::{LATE_MAX, Plan, Unrun};

/// Version of the file; this and the one before are read.
/// Of `schedule.json`.
pub const FORMAT: u32 = 1;
/// Bound: runs that are remembered of one job.
const PAST_MAX: usize = 40;
/// Of which so many that went well are enough, so that a job of every minute does not push out why it failed last week.
const WELL_MAX: usize = 10;
/// Bound: jobs that are remembered, those that no manifest has any more among them.
const ENTRIES_MAX: usize = 128;

/// All jobs of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    format: u32,
    pub jobs: BTreeMap<ServiceName, Entry>,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What `settled` was counted by; empty: no manifest wants it.
    pub schedule: String,
    pub timezone: String,
    /// Everything due until here is decided.
    pub settled: Timestamp,
    /// Invariant: at most one; it is the lock that keeps two runs from going on at once.
    pub running: Option<Run>,
    /// A moment that waits for the end of what runs.
    pub waiting: Option<Timestamp>,
    /// Oldest first.
    pub past: Vec<Run>,
}

/// One run, or why there was none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub due: Timestamp,
    pub release: Option<ReleaseNumber>,
    pub process: Option<ProcessId>,
    pub began: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub outcome: Outcome,
    /// What went wrong.
    pub why: Option<Explain>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Written down, and maybe not begun.
    Planned,
    /// Its process is there.
    Running,
    Succeeded,
    Failed,
    /// It ended, or its machine did, and nobody saw how.
    Lost,
    /// Nobody was there at this moment, and at so many in all.
    Missed {
        count: usize,
    },
    /// The run before it went on.
    Skipped,
}

impl Outcome {
    /// The API's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Missed { .. } => "missed",
            Self::Skipped => "skipped",
        }
    }
}

impl Run {
    fn unrun(unrun: Unrun) -> Self {
        let (due, outcome) = match unrun {
            Unrun::Missed { last, count } => (last, Outcome::Missed { count }),
            Unrun::Skipped { due } => (due, Outcome::Skipped),
        };
        Self { due, release: None, process: None, began: None, ended: None, outcome, why: None }
    }
}

impl Entry {
    pub fn new(settled: Timestamp) -> Self {
        Self {
            schedule: String::new(),
            timezone: String::new(),
            settled,
            running: None,
            waiting: None,
            past: Vec::new(),
        }
    }

    /// The last moment until `now` that nothing may run for again. It holds too when `settled` was put back for a clock
    /// that was wrong, and the clock comes forward again. What was missed by such a clock has run for nobody: it may come.
    pub(crate) fn newest(&self, now: Timestamp) -> Option<Timestamp> {
        let past = self.past.iter().filter(|run| !matches!(run.outcome, Outcome::Missed { .. }));
        let known = self.running.iter().chain(past).map(|run| run.due).chain(self.waiting);
        known.filter(|due| *due <= now).max()
    }

    pub fn follows(&self, schedule: &str, timezone: &str) -> bool {
        (self.schedule.as_str(), self.timezone.as_str()) == (schedule, timezone)
    }

    /// Whether it waits for nothing any more.
    pub fn is_left(&self) -> bool {
        self.schedule.is_empty()
    }

    /// Goes on under this schedule. One that is new or other than before begins now: what it would have been before is
    /// nothing that was missed. `looked`: until when the keeper that lives has followed the one before it.
    pub fn follow(&mut self, schedule: &str, timezone: &str, looked: Option<Timestamp>, now: Timestamp) {
        if self.follows(schedule, timezone) {
            return;
        }
        let was_followed = !self.schedule.is_empty();
        // Crash: a keeper that died between the switch and this line left no word how far it had come.
        let reached = looked.unwrap_or_else(|| now.checked_sub(LATE_MAX).unwrap_or(now).max(self.settled));
        self.settled = if was_followed { reached.min(now) } else { now };
        self.waiting = None;
        self.schedule = schedule.to_owned();
        self.timezone = timezone.to_owned();
    }

    /// No manifest that serves wants it any more; what runs goes on to its end.
    pub fn leave(&mut self) {
        self.schedule.clear();
        self.timezone.clear();
        self.waiting = None;
    }

    /// Writes down what was decided. What is to begin stands as planned, under `process`.
    pub fn decided(&mut self, plan: &Plan, process: ProcessId, release: ReleaseNumber, now: Timestamp) {
        self.settled = plan.settled;
        plan.unrun.iter().for_each(|unrun| self.remember(Run::unrun(*unrun)));
        if let Some(due) = plan.wait {
            self.waiting = Some(due);
        }
        if let Some(due) = plan.begin {
            self.waiting = None;
            self.running = Some(Run {
                due,
                release: Some(release),
                process: Some(process),
                began: Some(now),
                ended: None,
                outcome: Outcome::Planned,
                why: None,
            });
        }
    }

    /// The process of what was planned is there.
    pub fn began(&mut self, process: ProcessId) {
        if let Some(run) = self.running.as_mut().filter(|run| run.process == Some(process)) {
            run.outcome = Outcome::Running;
        }
    }

    /// What ran has ended.
    pub fn ended(&mut self, process: ProcessId, outcome: Outcome, why: Option<Explain>, now: Timestamp) {
        if let Some(run) = self.running.take_if(|run| run.process == Some(process)) {
            self.remember(Run { outcome, why, ended: Some(now), ..run });
        }
    }

    fn remember(&mut self, run: Run) {
        self.past.push(run);
        let well = |run: &Run| run.outcome == Outcome::Succeeded;
        let surplus = if self.past.iter().filter(|run| well(run)).count() > WELL_MAX {
            self.past.iter().position(well)
        } else {
            (self.past.len() > PAST_MAX).then_some(0)
        };
        if let Some(oldest) = surplus {
            self.past.remove(oldest);
        }
    }
}

impl Book {
    /// The job's entry, made if there is none.
    pub fn entry(&mut self, service: &ServiceName, now: Timestamp) -> &mut Entry {
        if !self.jobs.contains_key(service) && self.jobs.len() >= ENTRIES_MAX {
            self.forget_one();
        }
        self.jobs.entry(service.clone()).or_insert_with(|| Entry::new(now))
    }

    fn forget_one(&mut self) {
        let left = |entry: &Entry| entry.schedule.is_empty() && entry.running.is_none();
        let oldest = self.jobs.iter().filter(|(_, entry)| left(entry)).min_by_key(|(_, entry)| entry.settled);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.jobs.remove(&name);
        }
    }
}

impl Default for Book {
    fn default() -> Self {
        Self { format: formats::current(FORMAT), jobs: BTreeMap::new() }
    }
}

/// Holds a site's [`Book`] and writes every change before it is seen.
///
/// One that does not read keeps nothing else of the site from running: it is empty and takes no change, until somebody
/// has mended the file or moved it away.
#[derive(Debug)]
pub struct Logbook {
    path: PathBuf,
    /// The lock is held for one small write, never across an await; readers take a snapshot. `None`: not read yet.
    book: Mutex<Option<Arc<Book>>>,
}

/// Why the logbook cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogbookError {
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{} does not read: {source}", path.display())]
    Broken { path: PathBuf, source: serde_json::Error },
    #[error("{} was written by a newer Mainstay (format {found}, this version reads up to {})", path.display(), formats::current(FORMAT))]
    Newer { path: PathBuf, found: u32 },
}

impl Logbook {
    pub fn new(path: PathBuf) -> Self {
        Self { path, book: Mutex::new(None) }
    }

    /// What is known; of a file that does not read, nothing.
    pub fn read(&self) -> Arc<Book> {
        self.loaded(&mut self.lock()).unwrap_or_default()
    }

    /// Why nothing is known and nothing taken.
    pub fn problem(&self) -> Option<LogbookError> {
        self.loaded(&mut self.lock()).err()
    }

    /// Applies a change and makes it durable; on an error nothing has changed.
    ///
    /// # Errors
    /// The file does not read, or cannot be written.
    pub fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, LogbookError> {
        let mut book = self.lock();
        let current = self.loaded(&mut book)?;
        let mut next = Book::clone(&current);
        let answer = change(&mut next);
        if next != *current {
            // One of the version before becomes one of this version with its first change.
            next.format = formats::current(FORMAT);
            let path = || self.path.clone();
            let bytes = serde_json::to_vec_pretty(&next)
                .map_err(|source| LogbookError::Broken { path: path(), source })?;
            machine::fs::write_atomic(&self.path, &bytes, 0o644).map_err(|source| LogbookError::Io {
                what: "write",
                path: path(),
                source,
            })?;
            *book = Some(Arc::new(next));
        }
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Book>>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self, book: &mut Option<Arc<Book>>) -> Result<Arc<Book>, LogbookError> {
        if let Some(book) = book {
            return Ok(Arc::clone(book));
        }
        let read = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Book::default(),
            Err(source) => return Err(LogbookError::Io { what: "read", path: self.path.clone(), source }),
            Ok(bytes) => parse(&self.path, &bytes)?,
        };
        Ok(Arc::clone(book.insert(Arc::new(read))))
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Book, LogbookError> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let broken = |source| LogbookError::Broken { path: path.to_owned(), source };
    let found: Versioned = serde_json::from_slice(bytes).map_err(broken)?;
    if found.format > formats::current(FORMAT) {
        return Err(LogbookError::Newer { path: path.to_owned(), found: found.format });
    }
    serde_json::from_slice(bytes).map_err(broken)
}
