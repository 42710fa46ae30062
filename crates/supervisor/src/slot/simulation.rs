//! The care of an instance in worlds that a seed makes: what it is told, what breaks, when its keeper dies.
//!
//! The code that ships runs on a [`machine`] without a system behind it, under virtual time. A [`story`] tells the acts and
//! the faults; [`promises`] hold after each of them. The deploy machine has worlds of its own in the room `release`.

mod actor;
mod given;
mod life;
mod machine;
mod promises;
mod story;

use testkit::worlds::{Told, Worlds, told};

const WORLDS: Worlds = Worlds {
    package: "supervisor",
    // Bound: what two slow cores do in half a minute.
    seeds: 2000,
    seeds_long: 40_000,
    must_meet: &MUST_MEET,
    tell,
};

/// What a run of all seeds must have met, by words of the trace.
const MUST_MEET: [&str; 24] = [
    "crashes before it binds",
    "crashes before it is ready",
    "crashes while it is up",
    "hangs for a while",
    "is sick",
    "its shim is lost",
    "its shim hangs",
    "cannot be spawned: no space",
    "cannot be spawned: no memory",
    "cannot be spawned: exec",
    "cannot be spawned: its shim is silent",
    "its order is refused",
    "the keeper dies",
    "the next keeper adopts",
    "the next keeper finds nothing",
    "the clock jumps",
    "told to stop while it starts",
    "told to stop while it is spawned",
    "told to stop while it backs off",
    "told to restart",
    "is killed after its grace",
    "startup failed",
    "liveness failed",
    "degraded",
];

fn tell(seed: u64) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    told(runtime.unwrap(), story::Story::told_by(seed))
}

#[test]
fn every_instance_is_cared_for_in_every_seeded_world() {
    WORLDS.tell_all();
}

/// Found by the long form: who was asked to stop once more gave a hung shim its whole patience anew.
#[test]
fn worlds_that_broke_a_promise_once_keep_it() {
    WORLDS.tell_again(&[2658, 4149, 4449, 6451, 6781, 7786, 9501, 12_935, 24_945, 35_474]);
}

#[test]
fn the_same_seed_is_the_same_care() {
    WORLDS.tell_twice(&[3, 11, 42, 77, 1234]);
}
