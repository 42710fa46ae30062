//! The log of one app: lines in, CRI files out. A ring of 1 MiB lies between the reader and the thread that writes, so
//! that a full or slow disk drops and counts lines and never stops the reading: a full pipe would freeze the app.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::files::Files;
use crate::spec::LogFile;

/// Bound: what waits for the disk.
const RING_BYTES: usize = 1 << 20;
/// Bound: what `tail` can give.
const TAIL_BYTES: usize = 64 * 1024;
const BATCH_BYTES: usize = 128 * 1024;
/// The writer has little to do and no recursion.
const STACK_BYTES: usize = 64 * 1024;

/// The reader's end.
#[derive(Debug)]
pub(super) struct Log {
    shared: Arc<Shared>,
    /// The last lines, formatted; up to twice [`TAIL_BYTES`], halved at a line's end.
    tail: Vec<u8>,
    /// Formatted lines of the read that goes on. Bound: [`BATCH_BYTES`] and one line.
    batch: Vec<u8>,
    stamp: Stamp,
}

#[derive(Debug, Default)]
struct Shared {
    ring: Mutex<Ring>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Ring {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
    /// The writer has written all that came before the close.
    flushed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        // A panic of the other side leaves bytes and counts whole: they are changed by single calls.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Starts the writer thread. To be called after the fork: a child of a process with threads may do little.
    pub(super) fn start(file: LogFile) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || write_on(&theirs, Files::new(file)))?;
        Ok(Self { shared, tail: Vec::new(), batch: Vec::new(), stamp: Stamp::default() })
    }

    /// Now is when the lines that follow were read.
    pub(super) fn tick(&mut self) {
        self.stamp.set(SystemTime::now());
    }

    /// Takes one line; it is on its way with the next [`Log::flush`].
    pub(super) fn line(&mut self, stream: &str, line: &[u8], full: bool) {
        let mark: &[u8] = if full { b" F " } else { b" P " };
        let parts = [self.stamp.next().as_bytes(), b" ", stream.as_bytes(), mark, line, b"\n"];
        parts.iter().for_each(|part| self.batch.extend_from_slice(part));
        if self.batch.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Gives the lines to the writer: many at once, because waking it costs more than a line.
    pub(super) fn flush(&mut self) {
        remember(&mut self.tail, &self.batch);
        let mut ring = self.shared.lock();
        let room = RING_BYTES - ring.bytes.len();
        let whole = |fit: &[u8]| fit.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let fit = self.batch.get(..room).map_or(self.batch.len(), whole);
        let (taken, lost) = self.batch.split_at(fit);
        ring.bytes.extend_from_slice(taken);
        ring.dropped += lost.iter().filter(|byte| **byte == b'\n').count() as u64;
        drop(ring);
        self.batch.clear();
        self.shared.changed.notify_one();
    }

    /// The shim's own word among the lines, as stderr: readers of CRI know no third stream.
    pub(super) fn note(&mut self, text: &str) {
        self.tick();
        self.line("stderr", format!("mainstay: {text}").as_bytes(), true);
        self.flush();
    }

    /// The last `count` lines, oldest first.
    pub(super) fn tail(&self, count: usize) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let mut last: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
        last.reverse();
        last
    }

    /// No more lines come; waits up to `patience` for the disk to take what is there.
    pub(super) fn close(&mut self, patience: Duration) {
        self.flush();
        let mut ring = self.shared.lock();
        ring.closed = true;
        self.shared.changed.notify_all();
        let until = Instant::now() + patience;
        while !ring.flushed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            ring = self.shared.changed.wait_timeout(ring, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn remember(tail: &mut Vec<u8>, lines: &[u8]) {
    tail.extend_from_slice(lines);
    if tail.len() > 2 * TAIL_BYTES {
        let past = tail.len() - TAIL_BYTES;
        let end = tail.iter().skip(past).position(|byte| *byte == b'\n').map_or(past, |n| past + n + 1);
        tail.drain(..end);
    }
}

/// The writer thread.
fn write_on(shared: &Shared, mut files: Files) {
    let mut stamp = Stamp::default();
    let mut lost = 0_u64;
    loop {
        let (bytes, dropped, closed) = next(shared);
        // Those that a full disk refused came before these; those that a full ring refused come after.
        tell(&mut files, &mut stamp, &mut lost);
        lost += files.write(&bytes) + dropped;
        tell(&mut files, &mut stamp, &mut lost);
        if closed {
            shared.lock().flushed = true;
            shared.changed.notify_all();
            return;
        }
    }
}

/// Says how many lines are missing, once the disk takes lines again; until then it adds up.
fn tell(files: &mut Files, stamp: &mut Stamp, lost: &mut u64) {
    if *lost > 0 {
        stamp.set(SystemTime::now());
        let note = format!("{} stderr F mainstay: dropped {lost} lines\n", stamp.next());
        if files.write(note.as_bytes()) == 0 {
            *lost = 0;
        }
    }
}

/// Waits for bytes and takes them.
fn next(shared: &Shared) -> (Vec<u8>, u64, bool) {
    let mut ring = shared.lock();
    while ring.bytes.is_empty() && !ring.closed {
        ring = shared.changed.wait(ring).unwrap_or_else(PoisonError::into_inner);
    }
    let bytes = std::mem::take(&mut ring.bytes);
    (bytes, std::mem::take(&mut ring.dropped), ring.closed)
}

/// The time of a line as RFC 3339 with nanoseconds. Each line has its own, and they never go back, so that readers can
/// merge and go on by time; the part before the nanoseconds is formatted once a second.
#[derive(Debug, Default)]
struct Stamp {
    /// Since 1970, of the last line.
    last: Duration,
    second: Option<u64>,
    text: String,
}

impl Stamp {
    fn set(&mut self, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last = since.max(self.last);
    }

    fn next(&mut self) -> &str {
        use std::fmt::Write as _;
        self.last += Duration::from_nanos(1);
        let second = self.last.as_secs();
        if self.second != Some(second) {
            let at =
                jiff::Timestamp::from_second(i64::try_from(second).unwrap_or(i64::MAX)).unwrap_or_default();
            self.text = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            self.second = Some(second);
        }
        self.text.truncate("2026-11-21T10:00:00".len());
        let _ = write!(self.text, ".{:09}Z", self.last.subsec_nanos());
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_rfc_3339_with_nanoseconds_and_each_is_later() {
        let mut stamp = Stamp::default();
        stamp.set(UNIX_EPOCH + Duration::new(1_795_255_200, 7));
        assert_eq!(stamp.next(), "2026-11-21T10:00:00.000000008Z");
        assert_eq!(stamp.next(), "2026-11-21T10:00:00.000000009Z");
        stamp.set(UNIX_EPOCH + Duration::new(1_795_255_200, 999_999_999));
        assert_eq!(stamp.next(), "2026-11-21T10:00:01.000000000Z");
        stamp.set(UNIX_EPOCH);
        assert_eq!(stamp.next(), "2026-11-21T10:00:01.000000001Z", "a clock that went back");
    }
}
