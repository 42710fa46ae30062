//! Ids and tokens: ULIDs for rows (sortable by time), 256 random bits for what opens a session.

/// A new row's id.
pub(crate) fn new_id() -> String {
    ulid::Ulid::generate().to_string()
}

/// 32 random bytes as hex.
///
/// # Panics
/// When the kernel gives no randomness: going on without would hand out guessable sessions.
#[expect(clippy::panic, reason = "a process without randomness must not issue secrets")]
pub(crate) fn new_token() -> String {
    let mut bytes = [0_u8; 32];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the kernel gives no randomness: {error}");
    }
    hex(&bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
