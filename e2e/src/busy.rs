//! A busy time: a hundred people read pages and write while a thousand readers hold answers open. Says what failed,
//! what was lost, how long each kind of request took, and what memory that took.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use testkit::{mainstay::processes::resident_bytes, wait};

use crate::assistant::Person;

mod figures;
mod invite;
mod people;

pub use figures::Figures;
pub use invite::invite;
use people::Written;

/// How long it may take until the last reader has seen the first word of its answer.
const BEGIN_LIMIT: Duration = Duration::from_secs(180);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(250);

/// What is asked of the assistant at once.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// Answers that are written at once, a word a second.
    pub answers: usize,
    /// Readers of each of them, on a connection each.
    pub readers: usize,
    /// How long people go on while all answers are open.
    pub lasts: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// In words: a request that was not answered as it should, an answer that was not read whole on one connection.
    pub failures: Vec<String>,
    /// Readers that had begun and not ended, when there were the most.
    pub open_most: usize,
    /// Readers that read a whole answer on one connection.
    pub whole: usize,
    /// Writes that were acknowledged and are stored once.
    pub kept: usize,
    pub figures: Figures,
    /// Of the processes together, in bytes, before and at most.
    pub resident: (u64, u64),
}

/// Half a minute in the everyday run, five before a release.
pub fn time() -> Duration {
    Duration::from_secs(if std::env::var_os("MAINSTAY_TEST_LONG").is_some() { 300 } else { 30 })
}

#[derive(Default)]
struct Seen {
    failures: Mutex<Vec<String>>,
    figures: Mutex<Figures>,
    open: AtomicUsize,
    open_most: AtomicUsize,
    whole: AtomicUsize,
    ends: AtomicBool,
}

impl Seen {
    fn fails(&self, what: String) {
        self.failures.lock().expect("nobody panicked").push(what);
    }

    fn has_failed(&self) -> bool {
        !self.failures.lock().expect("nobody panicked").is_empty()
    }
}

/// Processes whose memory is measured.
#[derive(Debug)]
pub struct Watched {
    pids: Vec<u32>,
    at_rest: u64,
}

impl Watched {
    /// As they are before anybody comes.
    pub fn at_rest(pids: Vec<u32>) -> Self {
        let mut watched = Self { pids, at_rest: 0 };
        watched.at_rest = watched.resident();
        watched
    }

    fn resident(&self) -> u64 {
        self.pids.iter().filter_map(|pid| resident_bytes(*pid)).sum()
    }
}

/// Lets `people` loose on the assistant, whose processes are `watched`.
///
/// # Panics
/// When the answers do not begin in three minutes.
pub fn run(people: &[Person], busy: Busy, watched: &Watched) -> Report {
    let seen = Seen::default();
    let (most, written) = thread::scope(|scope| {
        // Longer than people take to come, so that every answer is open all the while.
        let words = busy.lasts.as_secs() + 30;
        for (n, person) in people.iter().cycle().take(busy.answers).enumerate() {
            let seen = &seen;
            scope.spawn(move || read(scope, person, (n, words), busy.readers, seen));
        }
        wait::until("every answer is read by all its readers", BEGIN_LIMIT, || {
            seen.has_failed() || seen.open.load(Ordering::SeqCst) >= busy.answers * busy.readers
        });
        live(people, busy.lasts, watched, &seen)
    });
    let kept = written.into_iter().map(|written| written.check(&seen)).sum();
    Report {
        open_most: seen.open_most.into_inner(),
        whole: seen.whole.into_inner(),
        failures: seen.failures.into_inner().expect("nobody panicked"),
        figures: seen.figures.into_inner().expect("nobody panicked"),
        kept,
        resident: (watched.at_rest, most),
    }
}

/// Asks for an answer of so many words, and starts its readers.
fn read<'scope>(
    scope: &'scope Scope<'scope, '_>,
    person: &Person,
    (n, words): (usize, u64),
    readers: usize,
    seen: &'scope Seen,
) {
    let following = match person.say(&format!("busy-{n}"), &format!("count to {words} slowly")) {
        Ok(following) => following.within(BEGIN_LIMIT + Duration::from_secs(words * 3)),
        Err(failure) => return seen.fails(format!("answer {n} was not begun: {failure}")),
    };
    for reader in 0..readers {
        let following = following.clone();
        scope.spawn(move || {
            let started = || {
                let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
                seen.open_most.fetch_max(open, Ordering::SeqCst);
            };
            match following.to_the_end(started) {
                Ok((told, 0)) if told.resets == 0 => {
                    seen.whole.fetch_add(1, Ordering::SeqCst);
                }
                Ok((told, reconnects)) => seen.fails(format!(
                    "reader {reader} of answer {n}: {reconnects} connections broke, {} attempts were lost",
                    told.resets
                )),
                Err(failure) => seen.fails(format!("reader {reader} of answer {n}: {failure}")),
            }
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// People at work for so long: the most memory meanwhile, and what they wrote.
fn live<'a>(
    people: &'a [Person],
    lasts: Duration,
    watched: &Watched,
    seen: &Seen,
) -> (u64, Vec<Written<'a>>) {
    let until = Instant::now() + lasts;
    thread::scope(|scope| {
        let working: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(n, person)| scope.spawn(move || people::work(n, person, seen)))
            .collect();
        let mut most = watched.resident();
        while Instant::now() < until {
            thread::sleep(LOOK);
            most = most.max(watched.resident());
        }
        seen.ends.store(true, Ordering::SeqCst);
        (most, working.into_iter().map(|one| one.join().expect("nobody panicked")).collect())
    })
}

impl Report {
    /// # Panics
    /// When anything failed or was lost, or the answers were not all open at once and read whole.
    pub fn assert_nothing_failed(&self, busy: Busy) {
        let first: Vec<_> = self.failures.iter().take(10).collect();
        assert!(self.failures.is_empty(), "{} failures: {first:#?}\n{self}", self.failures.len());
        let readers = busy.answers * busy.readers;
        assert_eq!((self.open_most, self.whole), (readers, readers), "\n{self}");
        assert!(self.kept > 0, "nobody wrote\n{self}");
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let Self { open_most, whole, kept, resident: (rest, most), .. } = self;
        writeln!(f, "{open_most} streams open at once, {whole} read whole; {kept} writes stored once")?;
        writeln!(f, "resident {:.1} MiB at rest, {:.1} MiB at most", mib(*rest), mib(*most))?;
        write!(f, "{}", self.figures)
    }
}
