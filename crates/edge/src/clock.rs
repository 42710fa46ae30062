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

/// For people and logs only; never compared.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Whole milliseconds; what does not fit is "for ever".
pub(crate) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(NEVER)
}
