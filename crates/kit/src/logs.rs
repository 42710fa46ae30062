//! Logs: one JSON object a line on stdout, RFC 3339 in UTC, for whoever reads the process's output.
//!
//! Never opens a file and never rotates; that is the supervisor's work.

use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
};

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{}", crate::clock::rfc3339(crate::clock::now_ms()))
    }
}

/// Levels that `LOG_LEVEL` may name.
pub const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Starts logging `app` (its crate's name) and this library at `level` (one of [`LEVELS`]). Other libraries are heard from
/// `warn` on: below that they print what passes through them, which is what people wrote. A second call is ignored, so
/// tests may all call it.
pub fn start(app: &str, level: &str) {
    let others = if level == "error" { "error" } else { "warn" };
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_timer(Utc)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(format!("{others},kit={level},{app}={level}")))
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}
