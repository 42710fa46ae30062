//! Randomness from the kernel.

use std::io;

/// # Errors
/// The kernel's; on Linux only before its pool was first filled, early in a boot.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::other)
}

/// Evenly spread over 0..1, for jitter. 0.5 if the kernel gives nothing: jitter is no secret.
pub fn roll() -> f64 {
    let mut bytes = [0; 4];
    match fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}
