//! What goes wrong again and again is told when it changes, and else at growing distances.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between the first two times; doubled from then on.
const FIRST: Duration = Duration::from_secs(1);
/// Bound: so often it is told at least.
const LONGEST: Duration = Duration::from_secs(300);

/// One thing that may go wrong.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Option<Told>>);

#[derive(Debug)]
struct Told {
    what: String,
    again_at: Instant,
    distance: Duration,
    /// Times that were not told since.
    kept_back: u64,
}

impl Seldom {
    /// How often it was kept back since it was last told, if it is to be told now.
    pub(crate) fn is_due(&self, what: &str) -> Option<u64> {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (distance, kept_back) = match last.as_mut().filter(|last| last.what == what) {
            Some(last) if now < last.again_at => {
                last.kept_back += 1;
                return None;
            }
            Some(last) => ((last.distance * 2).min(LONGEST), last.kept_back),
            None => (FIRST, 0),
        };
        let what = what.to_owned();
        *last = Some(Told { what, again_at: now + distance, distance, kept_back: 0 });
        Some(kept_back)
    }

    /// It went well: the next time is told at once.
    pub(crate) fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_stays_the_same_is_told_ever_more_seldom() {
        let (seldom, mut told, mut all) = (Seldom::default(), 0, 0);
        for _ in 0..18_000 {
            // Five times a second for an hour.
            if let Some(kept_back) = seldom.is_due("full") {
                told += 1;
                all += 1 + kept_back;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // After 1, 3, 7, … 255 s, then every five minutes.
        assert!((19..=21).contains(&told), "{told}");
        assert!(all > 16_000 && all <= 18_000, "{all}");
        assert_eq!(seldom.is_due("away"), Some(0), "a change is told at once");
        assert_eq!(seldom.is_due("away"), None);
        seldom.is_over();
        assert_eq!(seldom.is_due("away"), Some(0), "and so is what comes again");
    }
}
