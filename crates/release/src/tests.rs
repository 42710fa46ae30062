//! Whole deploys in a seeded world without processes: time is paused, faults are planned, keepers die.

mod canaries;
mod crash_loops;
mod crashes;
mod deploys;
mod dice;
mod environments;
mod faults;
mod figures;
mod hooks;
mod machine;
mod pieces;
mod recesses;
mod rig;
mod schedules;
mod seeded;
mod singletons;
mod world;

/// Ends the task that writes a journal right after its n-th record, as a death of the keeper there would.
pub(crate) mod failpoint {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
        static HIT: Cell<bool> = const { Cell::new(false) };
    }

    /// After the `nth` record from now on (from 1).
    pub(crate) fn set(nth: u64) {
        LEFT.set(Some(nth));
        HIT.set(false);
    }

    pub(crate) fn clear() {
        LEFT.set(None);
    }

    pub(crate) fn was_hit() -> bool {
        HIT.get()
    }

    pub(crate) fn passed() {
        let Some(left) = LEFT.get() else { return };
        LEFT.set(left.checked_sub(1).filter(|left| *left > 0));
        if left == 1 {
            HIT.set(true);
            // Without the panic hook: this is no defect.
            std::panic::resume_unwind(Box::new("the failpoint"));
        }
    }
}
