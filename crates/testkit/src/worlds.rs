//! Worlds that a seed makes: chance that can be replayed, a trace by the world's own time, and the run over many seeds
//! that tells each broken one so that it can be told again. The rooms that are simulated bring the world.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// So many broken worlds say enough.
const BROKEN_MAX: usize = 8;
/// A long run says how far it is, every so many worlds.
const PROGRESS_EVERY: u64 = 1000;
/// The end of a trace that a failure shows.
const LINES_SHOWN: usize = 160;

thread_local! {
    static TRACE: RefCell<Option<(Instant, Vec<String>)>> = const { RefCell::new(None) };
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// 0 to `sides` - 1.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        self.roll(1 << 53) as f64 / (1_u64 << 53) as f64
    }
}

/// Adds a line to the trace of this thread's world; nothing where there is none.
pub fn tell(line: impl FnOnce() -> String) {
    TRACE.with_borrow_mut(|trace| {
        if let Some((began, lines)) = trace {
            let at = began.elapsed().as_secs_f64();
            lines.push(format!("{at:>9.3}  {}", line()));
        }
    });
}

/// How a world came out: its trace, and what went wrong in it.
#[derive(Debug)]
pub struct Told {
    pub lines: Vec<String>,
    pub wrong: Option<String>,
}

/// Tells one world on this thread. `runtime`: of one thread, its clock paused. A panic is a wrong too.
pub fn told(runtime: tokio::runtime::Runtime, story: impl Future<Output = Result<(), String>>) -> Told {
    let told = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            TRACE.set(Some((Instant::now(), Vec::new())));
            story.await
        })
    }));
    let wrong = match told {
        Ok(told) => told.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(text.unwrap_or_else(|| "a panic without words".to_owned()))
        }
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    let lines = TRACE.take().map(|(_, lines)| lines).unwrap_or_default();
    Told { lines, wrong }
}

/// All worlds of one room.
#[derive(Debug)]
pub struct Worlds {
    /// The package whose tests these are.
    pub package: &'static str,
    pub seeds: u64,
    /// In the long form (`cargo xtask test --long simulation`).
    pub seeds_long: u64,
    /// Words of the trace that a run of all seeds must have met.
    pub must_meet: &'static [&'static str],
    pub tell: fn(u64) -> Told,
}

impl Worlds {
    /// Tells them all, or the one that `MAINSTAY_SEED` names, or as many as `MAINSTAY_SEEDS` says.
    ///
    /// # Panics
    /// A world broke a promise, or no world met what must be met: then the run is no proof for it.
    pub fn tell_all(&self) {
        let (seeds, broken, met) = (self.range(), Mutex::new(BTreeMap::new()), Mutex::new(BTreeMap::new()));
        let (next, is_long) = (AtomicU64::new(seeds.start), seeds.end - seeds.start > self.seeds);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let one_after_another = || {
            while broken.lock().expect("no thread panics with it").len() < BROKEN_MAX
                && let Some(seed) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end)
            {
                if is_long && seed % PROGRESS_EVERY == 0 {
                    println!("{}: {seed} of {} worlds", self.package, seeds.end);
                }
                let told = (self.tell)(seed);
                self.count(&told.lines, &mut met.lock().expect("no thread panics with it"));
                if told.wrong.is_some() || seeds.end - seeds.start == 1 {
                    println!("{}", self.shown(seed, &told));
                }
                if let Some(wrong) = told.wrong {
                    broken.lock().expect("no thread panics with it").insert(seed, wrong);
                }
            }
        };
        std::thread::scope(|threads| {
            for _ in 0..cores {
                threads.spawn(one_after_another);
            }
        });
        let (broken, met) = (broken.into_inner().expect("joined"), met.into_inner().expect("joined"));
        println!("{} worlds; what they met: {met:?}", seeds.end - seeds.start);
        assert!(broken.is_empty(), "{} of {} worlds broke a promise: {broken:#?}", broken.len(), seeds.end);
        if seeds.end - seeds.start >= self.seeds {
            let missing: Vec<_> = self.must_meet.iter().filter(|word| !met.contains_key(**word)).collect();
            assert!(missing.is_empty(), "no world met {missing:?}: it is no proof for them");
        }
    }

    /// Tells these, which once broke a promise.
    ///
    /// # Panics
    /// One does again.
    pub fn tell_again(&self, seeds: &[u64]) {
        for seed in seeds {
            let told = (self.tell)(*seed);
            assert!(told.wrong.is_none(), "{}", self.shown(*seed, &told));
        }
    }

    /// Tells each of these seeds twice.
    ///
    /// # Panics
    /// The two differ.
    pub fn tell_twice(&self, seeds: &[u64]) {
        for seed in seeds {
            let (one, other) = ((self.tell)(*seed).lines, (self.tell)(*seed).lines);
            let apart = one.iter().zip(&other).find(|(one, other)| one != other);
            assert_eq!(apart, None, "seed {seed} parts");
            assert_eq!(one.len(), other.len(), "seed {seed}");
        }
    }

    fn range(&self) -> std::ops::Range<u64> {
        let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
        if let Some(seed) = number("MAINSTAY_SEED") {
            return seed..seed + 1;
        }
        let is_long = std::env::var_os("MAINSTAY_TEST_LONG").is_some();
        0..number("MAINSTAY_SEEDS").unwrap_or(if is_long { self.seeds_long } else { self.seeds })
    }

    fn count(&self, lines: &[String], met: &mut BTreeMap<&'static str, u64>) {
        for word in self.must_meet {
            *met.entry(word).or_default() += lines.iter().filter(|line| line.contains(word)).count() as u64;
        }
        met.retain(|_, count| *count > 0);
    }

    fn shown(&self, seed: u64, told: &Told) -> String {
        let wrong = told.wrong.as_deref().unwrap_or("nothing");
        let from = told.lines.len().saturating_sub(LINES_SHOWN);
        format!(
            "seed {seed}: {wrong}\n{}\nagain: MAINSTAY_SEED={seed} cargo test -p {} --lib simulation -- --nocapture\n",
            told.lines.get(from..).unwrap_or_default().join("\n"),
            self.package,
        )
    }
}
