//! Worlds from a seed: what people do, what breaks, when keepers die, over the deploy machine as it runs.
//!
//! A [`Story`] is told by a seed alone: acts of operators ([`acts`]), faults ([`faults`]), and after every step what must
//! hold ([`promises`]). Time is virtual; the same seed is the same trace. A broken promise prints the seed, the trace and
//! the command that tells it again.

mod acts;
mod faults;
mod promises;
mod story;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use story::Story;

use super::trace;

/// Bound: what two slow cores do in a minute or so.
const SEEDS: u64 = 2000;
/// The long form (`cargo xtask test --long simulation`).
const SEEDS_LONG: u64 = 40_000;
/// So many broken worlds say enough.
const BROKEN_MAX: usize = 8;
/// The end of a trace that a failure shows.
const LINES_SHOWN: usize = 160;

/// How a story came out: its trace, and what went wrong in it.
struct Told {
    lines: Vec<String>,
    wrong: Option<String>,
}

fn tell(seed: u64) -> Told {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let told = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            trace::begin();
            Story::new(seed).await.run().await
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
    Told { lines: trace::lines(), wrong }
}

fn shown(seed: u64, told: &Told) -> String {
    let wrong = told.wrong.as_deref().unwrap_or("nothing");
    let from = told.lines.len().saturating_sub(LINES_SHOWN);
    format!(
        "seed {seed}: {wrong}\n{}\nagain: MAINSTAY_SEED={seed} cargo test -p release --lib simulation -- --nocapture\n",
        told.lines[from..].join("\n")
    )
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The seeds that this run tells.
fn seeds() -> std::ops::Range<u64> {
    match number("MAINSTAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let long = std::env::var_os("MAINSTAY_TEST_LONG").is_some();
            0..number("MAINSTAY_SEEDS").unwrap_or(if long { SEEDS_LONG } else { SEEDS })
        }
    }
}

#[test]
fn every_seeded_world_keeps_every_promise_and_comes_to_rest() {
    let (seeds, broken, met) = (seeds(), Mutex::new(BTreeMap::new()), Mutex::new(BTreeMap::new()));
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(|| {
                while broken.lock().unwrap().len() < BROKEN_MAX
                    && let Some(seed) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end)
                {
                    let told = tell(seed);
                    count(&told.lines, &mut met.lock().unwrap());
                    if told.wrong.is_some() || seeds.end - seeds.start == 1 {
                        println!("{}", shown(seed, &told));
                    }
                    told.wrong.map(|wrong| broken.lock().unwrap().insert(seed, wrong));
                }
            });
        }
    });
    let (broken, met) = (broken.into_inner().unwrap(), met.into_inner().unwrap());
    println!("{} worlds; what they met: {met:?}", seeds.end - seeds.start);
    assert!(broken.is_empty(), "{} of {} worlds broke a promise: {broken:#?}", broken.len(), seeds.end);
    if seeds.end - seeds.start >= SEEDS {
        let missing: Vec<_> = MUST_MEET.iter().filter(|word| !met.contains_key(**word)).collect();
        assert!(missing.is_empty(), "no world met {missing:?}: it is no proof for them");
    }
}

/// What a run of all seeds must have met, by words of the trace.
const MUST_MEET: [&str; 23] = [
    "crashes",
    "hangs",
    "loses power",
    "edge dies",
    "write is refused",
    "dies before a write",
    "dies within a write",
    "dies after a write",
    "is killed",
    "clock shows",
    "goes away",
    "is cancelled",
    "late switch",
    "lost answers",
    "ended serving",
    "ended aborted",
    "ended rolled back",
    "ended held",
    "ended unchanged",
    "return intent",
    "canary intent",
    "migrate intent",
    "(Grow)",
];

fn count(lines: &[String], met: &mut BTreeMap<&'static str, u64>) {
    for word in MUST_MEET {
        *met.entry(word).or_default() += lines.iter().filter(|line| line.contains(word)).count() as u64;
    }
    met.retain(|_, count| *count > 0);
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in [3, 11, 42, 77, 1234] {
        let (one, other) = (tell(seed).lines, tell(seed).lines);
        let apart = one.iter().zip(&other).position(|(one, other)| one != other);
        assert_eq!(apart.map(|at| (&one[at], &other[at])), None, "seed {seed} parts at line {apart:?}");
        assert_eq!(one.len(), other.len(), "seed {seed}");
    }
}
