//! The restart policy, pure: ends in, delays out. It never gives up, it only becomes slower.

use std::{collections::VecDeque, time::Duration};

use model::manifest::Restart;

/// What to do after an end that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Next {
    /// From the end to the next start, jitter included.
    pub delay: Duration,
    /// More ends than `max_restarts` within the window: tried slowly, and someone should be told.
    pub degraded: bool,
}

/// Remembers just enough of the past.
#[derive(Clone, Debug)]
pub struct Policy {
    settings: Restart,
    /// Without jitter; `None`: the next delay is the first one.
    last_delay: Option<Duration>,
    /// When the last ones were, oldest first. Bound: `max_restarts` + 1, or [`ENDS_MAX`].
    ends: VecDeque<Duration>,
}

/// Bound, whatever `max_restarts` says.
const ENDS_MAX: usize = 1000;

impl Policy {
    pub fn new(settings: Restart) -> Self {
        Self { settings, last_delay: None, ends: VecDeque::new() }
    }

    /// Records an end at monotonic time `now` (since any fixed point) of a process that had lived for `lived`.
    /// `roll` is evenly spread over 0..1 and decides the jitter.
    pub fn ended(&mut self, now: Duration, lived: Duration, roll: f64) -> Next {
        let settings = self.settings;
        if lived >= settings.reset_after.0 {
            self.last_delay = None;
            self.ends.clear();
        }
        let degraded = self.count(now);
        let base = match degraded {
            true => settings.degraded_every.0,
            false => self.grown(),
        };
        if !degraded {
            self.last_delay = Some(base);
        }
        if machine::planted::is_planted("restarts-at-once") {
            return Next { delay: Duration::ZERO, degraded: false };
        }
        Next { delay: jittered(base, settings.jitter, roll), degraded }
    }

    /// Whether there were more ends within the window than may be.
    fn count(&mut self, now: Duration) -> bool {
        self.ends.push_back(now);
        let (window, max) = (self.settings.window.0, self.max_restarts());
        self.ends.retain(|end| now.saturating_sub(*end) <= window);
        while self.ends.len() > max + 1 {
            self.ends.pop_front();
        }
        self.ends.len() > max
    }

    fn max_restarts(&self) -> usize {
        usize::try_from(self.settings.max_restarts).unwrap_or(ENDS_MAX).min(ENDS_MAX)
    }

    fn grown(&self) -> Duration {
        let settings = &self.settings;
        let factor = settings.backoff_factor.clamp(1.0, 1000.0);
        let next = self.last_delay.map_or(settings.backoff_initial.0, |last| {
            Duration::try_from_secs_f64(last.as_secs_f64() * factor).unwrap_or(settings.backoff_max.0)
        });
        next.min(settings.backoff_max.0)
    }
}

/// `base` times something evenly spread over 1 - `jitter` to 1 + `jitter`.
fn jittered(base: Duration, jitter: f64, roll: f64) -> Duration {
    let spread = jitter.clamp(0.0, 1.0) * (roll.clamp(0.0, 1.0) * 2.0 - 1.0);
    Duration::try_from_secs_f64(base.as_secs_f64() * (1.0 + spread)).unwrap_or(base)
}

#[cfg(test)]
mod tests;
