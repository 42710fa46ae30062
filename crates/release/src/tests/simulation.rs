//! Worlds from a seed: what people do, what breaks, when keepers die, over the deploy machine as it runs.
//!
//! A [`Story`] is told by a seed alone: acts of operators ([`acts`]), faults ([`faults`]), and after every step what must
//! hold ([`promises`]). Time is virtual; the same seed is the same trace. A broken promise prints the seed, the trace and
//! the command that tells it again.

mod acts;
mod faults;
mod promises;
mod replays;
mod story;

use story::Story;
use testkit::worlds::{Told, Worlds, told};

const WORLDS: Worlds = Worlds {
    package: "release",
    // Bound: what two slow cores do in a minute or so.
    seeds: 2000,
    seeds_long: 40_000,
    must_meet: &MUST_MEET,
    tell,
};

fn tell(seed: u64) -> Told {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    told(runtime, async { Story::new(seed).await.run().await })
}

#[test]
fn every_seeded_world_keeps_every_promise_and_comes_to_rest() {
    WORLDS.tell_all();
}

/// Found by the long form: a label that a return took on a full disk was taken once more, and what came after it served
/// nobody; after a contract step a release in a crash loop could not be replaced by its cure; a stop that was under way hit
/// the next instance of the same name; a deploy that waited went on from a migration that had come to be held meanwhile.
#[test]
fn worlds_that_broke_a_promise_once_keep_it() {
    WORLDS.tell_again(&[13_633, 17_629, 17_901, 28_882, 27_112, 32_689]);
}

#[test]
fn the_same_seed_is_the_same_story() {
    WORLDS.tell_twice(&[3, 11, 42, 77, 1234]);
}

/// What a run of all seeds must have met, by words of the trace.
const MUST_MEET: [&str; 32] = [
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
    "(Recycle)",
    "recycle (Restart)",
    "entered approve",
    "approved by berta",
    "gave-way",
    "in approve",
    "entered recess",
    "entered relieve",
    "job intent: MigrateContract",
];
