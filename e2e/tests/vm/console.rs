//! A guest's console: every line that it writes, kept in order, and waiting for one.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// What was read so far, and whether more can come.
#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    read: Mutex<Heard>,
    changed: Condvar,
}

/// Cheap to clone; one guest's console over all its boots.
#[derive(Clone, Default)]
pub(crate) struct Console(Arc<Shared>);

impl Console {
    /// Reads until the last writer is gone, into a log beside the guest's disk too. Who joins the thread knows that no
    /// process of the guest is left.
    pub(crate) fn follow(&self, from: impl Read + Send + 'static, log: &Path) -> JoinHandle<()> {
        let console = self.clone();
        let mut log = File::options().create(true).append(true).open(log).expect("a log");
        console.lock().ended = false;
        std::thread::spawn(move || {
            // Bytes that are no text come from a console that is cut off in a character.
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                let _ = writeln!(log, "{line}");
                console.lock().lines.push(line);
                console.0.changed.notify_all();
            }
            console.lock().ended = true;
            console.0.changed.notify_all();
        })
    }

    /// How many lines there are: what comes later has this number or a higher one.
    pub(crate) fn now(&self) -> usize {
        self.lock().lines.len()
    }

    /// What `meant` makes of the first line from `from` on that it knows. `None`: the guest ended, or the time is over.
    pub(crate) fn wait<T>(
        &self,
        from: usize,
        limit: Duration,
        meant: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut next = from;
        let mut read = self.lock();
        loop {
            let fresh = read.lines.get(next..).unwrap_or_default();
            if let Some(found) = fresh.iter().find_map(|line| meant(line)) {
                return Some(found);
            }
            next = read.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if read.ended || left.is_zero() {
                return None;
            }
            read = self.0.changed.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines from `from` on that `meant` knows.
    pub(crate) fn all<T>(&self, from: usize, meant: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.lock().lines.get(from..).unwrap_or_default().iter().filter_map(|line| meant(line)).collect()
    }

    /// The last lines, for a person.
    pub(crate) fn tail(&self, count: usize) -> String {
        let read = self.lock();
        read.lines[read.lines.len().saturating_sub(count)..].join("\n")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
