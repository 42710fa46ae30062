//! Logs: one JSON object a line on standard output, RFC 3339 in UTC, for whoever reads the process's output.
//!
//! Never opens a file and never rotates; that is the supervisor's work. What people wrote goes through
//! [`Private`](crate::Private), which a log line cannot open.
//!
//! ```
//! let level = kit::logs::start("notes", "info");
//! tracing::info!(note = 7, text = %kit::Private::new("buy milk"), "a note was added");
//! level.set("debug");
//! ```
//!
//! prints `{"timestamp":"2026-11-21T10:04:05.123Z","level":"INFO","message":"a note was added","note":7,"text":"[private]",…}`.

use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{format::Writer, time::FormatTime},
    layer::SubscriberExt,
    reload,
};

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{}", crate::clock::rfc3339(crate::clock::now_ms()))
    }
}

/// Levels that a setting may name, the fewest lines first.
pub const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Changes how much is logged while the process runs; clones are the same.
#[derive(Clone)]
pub struct Level {
    app: String,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts logging `app` (its crate's name) and this library at `level` (one of [`LEVELS`]). Other libraries are heard from
/// `warn` on: below that they print what passes through them, which is what people wrote. Where logging has started
/// before, that one stays, so tests may all call it; the handle then changes nothing.
pub fn start(app: &str, level: &str) -> Level {
    let (filter, handle) = reload::Layer::new(filter(app, level));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_timer(Utc)
        .with_current_span(false)
        .with_span_list(false);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(lines));
    Level { app: app.to_owned(), filter: handle }
}

impl Level {
    /// From now on at `level`, one of [`LEVELS`]; another word is logged and changes nothing.
    pub fn set(&self, level: &str) {
        if !LEVELS.contains(&level) {
            tracing::warn!(level, "this is no level of the log; it stays as it is");
            return;
        }
        // The only failure is that logging has ended.
        let _ = self.filter.reload(filter(&self.app, level));
        tracing::info!(level, "the log's level is another now");
    }
}

fn filter(app: &str, level: &str) -> EnvFilter {
    let others = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(format!("{others},kit={level},{app}={level}"))
}
