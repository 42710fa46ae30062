//! The restart policy, pure: exits in, delays out. It never gives up, it only becomes slower.

use std::time::Duration;

use model::manifest::Restart;

/// What to do after an end that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Next {
    /// From the end to the next start, jitter included.
    pub delay: Duration,
    /// More ends than `max_restarts` within the window: tried slowly, and someone should be told.
    pub degraded: bool,
}

/// Remembers just enough of the past: at most `max_restarts + 1` ends.
#[derive(Clone, Debug)]
pub struct Policy {
    settings: Restart,
}

impl Policy {
    pub fn new(settings: Restart) -> Self {
        Self { settings }
    }

    /// Records an end at monotonic time `now` (since any fixed point) of a process that had lived for `lived`.
    /// `roll` is evenly spread over 0..1 and decides the jitter.
    pub fn ended(&mut self, now: Duration, lived: Duration, roll: f64) -> Next {
        let _ = (now, lived, roll, &self.settings);
        todo!()
    }
}
