//! The chaos journey: deploys of all kinds go on under load while processes die or hang every few seconds, at random and
//! aimed at the places where nobody has died yet. What fails was held by what was hit, and `status` explains the state.
//!
//! `MAINSTAY_TEST_SEED` replays the choices of a run; it is printed. Faults are in [`faults`], deploys with the aimed
//! kills in [`deploys`], who is to blame in [`blame`].

mod bad_disk;
mod bag;
mod blame;
mod cells;
mod deploys;
mod faults;
mod told;
mod world;

use std::{
    panic,
    sync::Mutex,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cells::Coverage;
use world::World;

/// How far a form of the journey goes.
struct Form {
    /// Kills in each cell.
    kills: usize,
    rounds_max: u64,
    /// Bound: a round ends then, whatever is left to do.
    round_max: Duration,
}

/// What the CI runs.
const SHORT: Form = Form { kills: 1, rounds_max: 1, round_max: Duration::from_secs(600) };
const LONG: Form = Form { kills: 5, rounds_max: 12, round_max: Duration::from_secs(600) };

#[test]
fn whatever_dies_fails_only_what_it_held() {
    if !cfg!(debug_assertions) {
        println!("a release build dies nowhere by itself");
        return;
    }
    let long = crate::is_long();
    let form = if long { LONG } else { SHORT };
    let seed = seed();
    println!("the same faults again: MAINSTAY_TEST_SEED={seed}");
    let mut coverage = Coverage::default();
    for n in 0..form.rounds_max {
        coverage = round(seed.wrapping_add(n), &form, long, coverage);
        println!("{coverage}");
        if coverage.fewest() >= form.kills {
            return;
        }
    }
    panic!("not every cell has {}; MAINSTAY_TEST_SEED={seed}\n{coverage}", form.kills);
}

/// The given one, else one of this moment.
fn seed() -> u64 {
    let given = std::env::var("MAINSTAY_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs() % 1_000_000)
    })
}

/// One machine, from its first deploy to the judge's verdict.
fn round(seed: u64, form: &Form, whole_time: bool, coverage: Coverage) -> Coverage {
    let world = World::new(form.round_max);
    let coverage = Mutex::new(coverage);
    let mut dice = fastrand::Rng::with_seed(seed);
    let (of_deploys, of_faults) = (dice.fork(), dice.fork());
    let is_done = || {
        let covered = coverage.lock().expect("no panic holds it").fewest() >= form.kills;
        world.is_late() || (covered && !whole_time)
    };
    thread::scope(|scope| {
        let told = scope.spawn(|| world.last(|| told::watch(&world)));
        let faults = scope.spawn(|| world.last(|| faults::strike(&world, of_faults, &coverage, is_done)));
        let deploys = scope.spawn(|| world.last(|| deploys::go_on(&world, of_deploys, &coverage)));
        for (what, thread) in [("the faults", faults), ("the deploys", deploys), ("status", told)] {
            let ended = thread.join();
            ended.unwrap_or_else(|panic| {
                eprintln!("{what} ended the run; MAINSTAY_TEST_SEED={seed}\n{}", world.account());
                panic::resume_unwind(panic)
            });
        }
    });
    world.verdict(seed);
    coverage.into_inner().expect("no panic holds it")
}
