//! Hung is not dead: a process that serves inherited listeners stamps a page for each of them ([`machine::pulse`]). One that
//! lets somebody wait and does not stamp is aborted, and its slot starts the next.
//!
//! Somebody waits in a listener's queue, or on a connection that was open at the last stamp. A stopped process that
//! nobody wants anything of is left to whoever stopped it.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use machine::pulse::{Beat, Pulse};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::{Process, Slot, SlotState};

/// A slot that was not stamped for this long belongs to a thread that does not turn; it should be every second.
const SILENCE_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a longer pause of the looking itself (a stopped keeper, a machine that slept) nothing can be said.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(2);
/// From SIGABRT to SIGKILL, for what cannot act on a signal.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGCONT: i32 = 18;

/// What is watched: the page, and the listeners in the order in which the process inherited them, one slot each. What
/// never stamped its slot is not judged.
#[derive(Debug)]
pub struct Watched {
    pub pulse: Pulse,
    pub inherited: Vec<Arc<OwnedFd>>,
}

/// Aborts the slot's process whenever it hangs, and tells `aborted` each time. Until it is dropped.
pub async fn watch(slot: Arc<Slot>, watched: Watched, aborted: impl Fn(&Process)) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silence = Silence::new(watched.inherited.len(), Instant::now());
    let mut known = None;
    loop {
        looks.tick().await;
        let now = Instant::now();
        let up = up(&slot);
        if up.as_ref().map(Process::id) != known {
            known = up.as_ref().map(Process::id);
            silence = Silence::new(watched.inherited.len(), now);
        }
        let read = |n| watched.pulse.read(n).unwrap_or(Beat::SILENT);
        let beats: Vec<Beat> = (0..watched.inherited.len()).map(read).collect();
        let silent = silence.look(now, &beats);
        let Some(process) = up else { continue };
        let queued = |n: usize| watched.inherited.get(n).is_some_and(|fd| somebody_waits(fd));
        if silent.into_iter().any(|n| beats.get(n).is_some_and(|beat| beat.is_busy()) || queued(n)) {
            aborted(&process);
            abort(&process).await;
        }
    }
}

/// Only one that has said that it serves, and was not told to stop.
fn up(slot: &Slot) -> Option<Process> {
    match &*slot.state().borrow() {
        SlotState::Up { process, .. } => Some(process.clone()),
        SlotState::Starting { .. }
        | SlotState::BackingOff { .. }
        | SlotState::Stopping { .. }
        | SlotState::Stopped { .. } => None,
    }
}

/// Whether the listener's queue holds a connection.
fn somebody_waits(listener: &OwnedFd) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    matches!(rustix::event::poll(&mut polled, Some(&Timespec::default())), Ok(n) if n > 0)
}

/// SIGABRT, so that a core tells what it hung at; woken, because a stopped process takes no signal but SIGKILL.
async fn abort(process: &Process) {
    for signal in [SIGABRT, SIGCONT] {
        if process.signal(signal).await.is_err() {
            return process.kill_shim().await;
        }
    }
    if tokio::time::timeout(ABORT_PATIENCE, process.wait()).await.is_err() {
        let _ = process.signal(SIGKILL).await;
        process.wait().await;
    }
}

/// Since when each slot has been seen unchanged.
#[derive(Debug)]
struct Silence {
    seen: Vec<(Beat, Instant)>,
    looked_at: Instant,
}

impl Silence {
    fn new(slots: usize, now: Instant) -> Self {
        Self { seen: vec![(Beat::SILENT, now); slots], looked_at: now }
    }

    /// The slots that have been silent for too long.
    fn look(&mut self, now: Instant, beats: &[Beat]) -> Vec<usize> {
        let overslept = now.duration_since(self.looked_at) > LOOK_PAUSE_MAX;
        self.looked_at = now;
        for ((last, since), beat) in self.seen.iter_mut().zip(beats) {
            if overslept || last != beat {
                (*last, *since) = (*beat, now);
            }
        }
        let is_silent = |(last, since): &(Beat, Instant)| {
            *last != Beat::SILENT && now.duration_since(*since) >= SILENCE_MAX
        };
        self.seen.iter().enumerate().filter(|(_, seen)| is_silent(seen)).map(|(n, _)| n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every half second for `seconds`; slot 0 is stamped until `until`, slot 1 always, slot 2 never.
    fn looked(silence: &mut Silence, from: Instant, seconds: u64, until: u64) -> Vec<usize> {
        let mut silent = Vec::new();
        for half in 1..=seconds * 2 {
            let beats = [Beat::new((half / 2).min(until), false), Beat::new(half, true), Beat::SILENT];
            silent = silence.look(from + Duration::from_millis(500 * half), &beats);
        }
        silent
    }

    #[test]
    fn a_slot_is_silent_after_five_seconds_without_a_stamp_and_one_that_never_stamped_is_not_judged() {
        let start = Instant::now();
        assert!(looked(&mut Silence::new(3, start), start, 20, 20).is_empty());
        assert!(looked(&mut Silence::new(3, start), start, 14, 10).is_empty(), "four seconds");
        assert_eq!(looked(&mut Silence::new(3, start), start, 15, 10), [0]);
    }

    #[test]
    fn a_keeper_that_slept_itself_gives_everybody_their_time_anew() {
        let start = Instant::now();
        let mut silence = Silence::new(1, start);
        let beat = [Beat::new(4, true)];
        for second in [0, 60, 61] {
            assert!(silence.look(start + Duration::from_secs(second), &beat).is_empty());
        }
    }
}
