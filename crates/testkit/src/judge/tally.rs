//! What the judge counts, and the table that it prints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Mutex,
    time::Duration,
};

/// The classes of failure. Nothing else ends a request but a right answer or the judge's own abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The connection was not accepted.
    Refused,
    /// The connection broke before a whole answer head was there.
    Reset,
    /// No answer in [`super::ANSWER_TIMEOUT`].
    Timeout,
    /// A 5xx that no instance wrote.
    EdgeStatus,
    /// A status that neither edge nor app should have given.
    Status,
    /// The body ended too early.
    ShortBody,
    /// The app saw another body than was sent, or its answer's bytes differ.
    WrongDigest,
    /// The answer to another's request.
    WrongAnswer,
    /// An answer of the old release to a request that began after the switch was acknowledged.
    WrongRelease,
    /// Acknowledged, and not in the ledger.
    LostWrite,
    /// More than once in the ledger.
    DoubleWrite,
    /// An event stream that ended before its last event.
    StreamCut,
    /// A WebSocket that ended otherwise than by close 1012.
    WrongClose,
}

/// What kind of client it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Short,
    Slow,
    Pausing,
    Write,
    Stream,
    Socket,
}

/// One failure, with what is known of it.
#[derive(Clone, Debug)]
pub struct Failed {
    pub failure: Failure,
    pub kind: Kind,
    /// When its request began (a stream, a WebSocket: was opened), since the start of the run.
    pub began: Duration,
    /// When it broke, since the start of the run.
    pub at: Duration,
    /// The instance that held it, where its name was seen.
    pub instance: Option<String>,
    pub detail: String,
}

/// By close code, how often each WebSocket client met it.
pub type Closes = BTreeMap<u16, BTreeMap<usize, u64>>;

#[derive(Default)]
struct Counts {
    right: BTreeMap<Kind, u64>,
    aborted: u64,
    open: BTreeMap<Kind, usize>,
    failures: Vec<Failed>,
    /// Time to the answer's head, in microseconds, of short requests.
    latencies_us: Vec<u32>,
    answered_by: BTreeMap<String, u64>,
    closes: Closes,
    acknowledged: BTreeSet<String>,
}

/// Shared by all clients; every method is one short critical section.
#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

/// An entry in the table of what is open; leaving the scope takes it out again.
pub(super) struct Open<'a>(&'a Tally, Kind);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        *self.0.counts().open.entry(self.1).or_default() -= 1;
    }
}

impl Tally {
    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().expect("no client panics while it counts")
    }

    pub(super) fn open(&self, kind: Kind) -> Open<'_> {
        *self.counts().open.entry(kind).or_default() += 1;
        Open(self, kind)
    }

    pub(super) fn right(&self, kind: Kind, instance: &str, took: Duration) {
        let mut counts = self.counts();
        *counts.right.entry(kind).or_default() += 1;
        *counts.answered_by.entry(instance.to_owned()).or_default() += 1;
        if kind == Kind::Short {
            counts.latencies_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
    }

    pub(super) fn aborted(&self) {
        self.counts().aborted += 1;
    }

    pub(super) fn acknowledged(&self, nonce: String) {
        self.counts().acknowledged.insert(nonce);
    }

    pub(super) fn closed(&self, client: usize, code: u16) {
        *self.counts().closes.entry(code).or_default().entry(client).or_default() += 1;
    }

    pub(super) fn fail(&self, failed: Failed) {
        self.counts().failures.push(failed);
    }

    pub(super) fn open_now(&self) -> usize {
        self.counts().open.values().sum()
    }

    pub(super) fn answered(&self) -> u64 {
        self.counts().right.values().sum()
    }

    pub(super) fn failures(&self) -> Vec<Failed> {
        self.counts().failures.clone()
    }

    pub(super) fn acknowledged_writes(&self) -> BTreeSet<String> {
        self.counts().acknowledged.clone()
    }

    pub(super) fn report(&self, took: Duration) -> Report {
        let counts = self.counts();
        let mut latencies_us = counts.latencies_us.clone();
        latencies_us.sort_unstable();
        Report {
            took,
            right: counts.right.clone(),
            aborted: counts.aborted,
            acknowledged: counts.acknowledged.len(),
            failures: counts.failures.clone(),
            answered_by: counts.answered_by.clone(),
            closes: counts.closes.clone(),
            latencies_us,
        }
    }
}

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    pub took: Duration,
    /// Right answers by kind of client.
    pub right: BTreeMap<Kind, u64>,
    /// Requests that the judge itself gave up.
    pub aborted: u64,
    pub acknowledged: usize,
    pub failures: Vec<Failed>,
    pub answered_by: BTreeMap<String, u64>,
    pub closes: Closes,
    /// Sorted; of short requests, to the answer's head.
    pub latencies_us: Vec<u32>,
}

impl Report {
    /// Failures of one class.
    pub fn count(&self, failure: Failure) -> usize {
        self.failures.iter().filter(|failed| failed.failure == failure).count()
    }

    pub fn right_of(&self, kind: Kind) -> u64 {
        self.right.get(&kind).copied().unwrap_or(0)
    }

    /// The latency below which `share` (0 to 1) of the short requests were answered.
    pub fn latency(&self, share: f64) -> Duration {
        let last = self.latencies_us.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        Duration::from_micros(u64::from(self.latencies_us.get(at).copied().unwrap_or(0)))
    }

    /// # Panics
    /// When anything failed; the table is the message.
    pub fn assert_nothing_failed(&self) {
        assert!(self.failures.is_empty(), "requests failed\n{self}");
        assert!(self.right.values().sum::<u64>() > 0, "nothing was asked\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  the judge, {:.1} s", self.took.as_secs_f64())?;
        for (kind, n) in &self.right {
            writeln!(f, "    {:<10} {n:>7} right", format!("{kind:?}").to_lowercase())?;
        }
        writeln!(f, "    aborted    {:>7} by the judge itself", self.aborted)?;
        writeln!(f, "    writes     {:>7} acknowledged", self.acknowledged)?;
        let (p50, p99) = (self.latency(0.5), self.latency(0.99));
        writeln!(f, "    latency    p50 {:.1} ms, p99 {:.1} ms", ms(p50), ms(p99))?;
        let by: Vec<_> = self.answered_by.iter().map(|(instance, n)| format!("{instance} {n}")).collect();
        writeln!(f, "    answered by {}", by.join(", "))?;
        for (code, clients) in &self.closes {
            let n: u64 = clients.values().sum();
            writeln!(f, "    websockets closed with {code}: {n}")?;
        }
        writeln!(f, "    failed     {:>7}", self.failures.len())?;
        let classes: BTreeSet<_> = self.failures.iter().map(|failed| failed.failure).collect();
        for class in classes {
            writeln!(f, "      {class:?}: {}", self.count(class))?;
        }
        for failed in self.failures.iter().take(12) {
            let instance = failed.instance.as_deref().unwrap_or("instance unknown");
            let (began, at) = (failed.began.as_secs_f64(), failed.at.as_secs_f64());
            writeln!(
                f,
                "      {at:>7.3} s {:?} of {:?}, begun at {began:.3} s, {instance}: {}",
                failed.failure, failed.kind, failed.detail
            )?;
        }
        Ok(())
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
