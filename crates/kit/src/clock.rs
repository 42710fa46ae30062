//! The wall clock as the database keeps it: whole milliseconds since the epoch, comparable between processes of one
//! machine.

use jiff::Timestamp;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `2026-11-21T10:04:05.123Z`. A value outside of what `jiff` can hold is shown as the epoch.
pub fn rfc3339(ms: i64) -> String {
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{timestamp:.3}")
}
