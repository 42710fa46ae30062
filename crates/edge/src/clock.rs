//! Time as the edge counts it: monotonic milliseconds since the process began, so that a wall clock that jumps
//! expires nothing, and so that a deadline fits an atomic.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// Monotonic, since the first call.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(NEVER - 1)
}

/// Nanoseconds on the same scale.
pub(crate) fn ns_at(moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(*START).as_nanos()).unwrap_or(NEVER - 1)
}

/// Both clocks, read at one moment: of any moment near it the wall's time follows without asking again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    at: Instant,
    unix_ms: u64,
}

impl Anchor {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), unix_ms: unix_ms() }
    }

    /// For people and logs only; never compared.
    pub(crate) fn unix_ms(&self, moment: Instant) -> u64 {
        self.unix_ms.saturating_add(ms(moment.saturating_duration_since(self.at)))
    }
}

/// For people and logs only; never compared.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Whole milliseconds; what does not fit is "for ever".
pub(crate) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(NEVER)
}
