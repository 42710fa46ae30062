//! Time: the wall clock for people, the boot for identity. Timers use [`std::time::Instant`], which a clock that jumps
//! does not move.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 for a clock before that.
pub fn now_unix_ms() -> u64 {
    unix_ms(SystemTime::now())
}

pub fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Since this boot, time asleep included. Every process of the machine reads the same, and nobody can set it.
pub fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

/// Milliseconds of the boot that the machine was awake, the same count in every process: for a moment that outlives the process that set it. A
/// wall clock that jumps does not move it.
pub fn monotonic_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let ms = now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000);
    u64::try_from(ms).unwrap_or_default()
}

/// The kernel's name for this boot; empty where `/proc` is missing. A pid of another boot means nothing.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}
