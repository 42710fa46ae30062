//! Time: the wall clock for people, the boot for identity. Timers use [`std::time::Instant`], which a clock that jumps
//! does not move.
#![allow(unsafe_code, reason = "adjtimex(2), which no safe library asks")]

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

/// What the kernel knows of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Something corrects it, and did so lately.
    pub is_synchronised: bool,
    /// The most that it may be off.
    pub error_max: Duration,
}

/// By adjtimex(2), which anybody may ask. In a container it is the host's clock.
///
/// # Errors
/// The kernel's; a sandbox may refuse it.
pub fn kernel() -> std::io::Result<Kernel> {
    let mut timex = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: the pointer is to a `timex` that is all zero, so `modes` is 0 and nothing is set; the kernel fills it.
    let state = unsafe { libc::adjtimex(timex.as_mut_ptr()) };
    if state < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: of integers alone, all of which were zero or were filled by the kernel.
    let timex = unsafe { timex.assume_init() };
    let is_free = state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0;
    let error_us = u64::try_from(timex.maxerror).unwrap_or(u64::MAX);
    Ok(Kernel { is_synchronised: !is_free, error_max: Duration::from_micros(error_us) })
}
