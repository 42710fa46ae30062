//! Metrics in Prometheus' text form 0.0.4, the one that every scraper reads, by `prometheus-client`.
//!
//! This file keeps that library behind names and labels that an app gives as text, holds a bound on series, and knows
//! the families that every HTTP app has. Names are those that dashboards know (METRIC-01 to -05). Decides nothing about
//! who may read them: [`came_directly`] helps whoever does.
//!
//! ```
//! let metrics = kit::metrics::Metrics::for_http();
//! metrics.counter("notes_added_total", "Notes that were added", &["kind"]);
//! metrics.add("notes_added_total", &["short"]);
//! assert!(metrics.render().contains("notes_added_total{kind=\"short\"} 1"));
//! ```

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

#[cfg(test)]
mod tests;

/// Seconds. The guides' buckets (METRIC-01), finer ones below, where an answer from SQLite lies, and two more around a
/// second, where objectives lie (W-M7).
const BUCKETS: [f64; 16] =
    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0];

/// Bound: series of one family. Labels come from route patterns and fixed words, so this is never met in health; a
/// mistake in an app costs one series called `other`, not the memory of the machine.
const SERIES_MAX: usize = 2_000;

/// What [`Metrics::render`] is.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Labels = Vec<(&'static str, String)>;
type Ask = Box<dyn Fn() -> Option<i64> + Send + Sync>;

/// All families of one process; clones share them.
#[derive(Clone, Default)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    families: Mutex<Families>,
    totals: Totals,
}

#[derive(Default)]
struct Families {
    registry: Registry,
    known: BTreeMap<&'static str, Known>,
    asked: Vec<(Gauge, Ask)>,
}

enum Known {
    Counter(Bounded<Counter>),
    Histogram(Bounded<Histogram>),
    Gauge(Gauge),
}

/// A family that takes only so many series.
struct Bounded<M> {
    labels: &'static [&'static str],
    family: Family<Labels, M>,
    series: usize,
}

#[derive(Default)]
struct Totals {
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    took_us: AtomicU64,
}

/// Sums over all requests since the start, for reports that are no scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sums {
    /// Requests that were answered, however.
    pub answered: u64,
    /// Of these, with a status of 500 and above.
    pub failed: u64,
    /// Of these, refused for who asked or how often: 401, 403, 429.
    pub refused: u64,
    /// Time from a request's head to its answer's head, of all.
    pub took: Duration,
}

/// Adds one to its gauge as long as it lives: open WebSockets, running answers.
#[must_use]
pub struct Held {
    gauge: Option<Gauge>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.dec();
        }
    }
}

impl Metrics {
    /// The families that every HTTP app has: requests, open WebSockets and event streams, and this process's memory,
    /// descriptors and time of start.
    pub fn for_http() -> Self {
        let metrics = Self::default();
        let labels = &["method", "route", "status_code"];
        metrics.histogram("http_request_duration_seconds", "Duration of HTTP requests in seconds", labels);
        metrics.counter("http_requests_total", "HTTP requests answered", labels);
        metrics.gauge("websocket_active_connections", "WebSockets that are open");
        metrics.gauge("event_streams_active", "Event streams that are open");
        metrics.of_this_process();
        metrics
    }

    /// Declares a counter; `name` ends in `_total`. A name that is declared already stays as it is.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &'static [&'static str]) {
        self.declare(name, |registry| {
            let family = Family::default();
            // The library adds the end that its names have without it.
            registry.register(name.strip_suffix("_total").unwrap_or(name), help, family.clone());
            Known::Counter(Bounded { labels, family, series: 0 })
        });
    }

    /// Declares a gauge without labels, at 0. A name that is declared already stays as it is.
    pub fn gauge(&self, name: &'static str, help: &'static str) {
        self.declare(name, |registry| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            Known::Gauge(gauge)
        });
    }

    /// Declares a gauge that is asked each time it is read. `None` leaves the last value. `ask` must be fast, and must
    /// not use these metrics itself.
    pub fn asked(
        &self,
        name: &'static str,
        help: &'static str,
        ask: impl Fn() -> Option<i64> + Send + Sync + 'static,
    ) {
        self.gauge(name, help);
        let mut families = self.families();
        if let Some(Known::Gauge(gauge)) = families.known.get(name) {
            let gauge = gauge.clone();
            families.asked.push((gauge, Box::new(ask)));
        }
    }

    /// Declares a histogram of seconds, in the same buckets as requests. A name that is declared already stays as it is.
    pub fn histogram(&self, name: &'static str, help: &'static str, labels: &'static [&'static str]) {
        self.declare(name, |registry| {
            let family = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
            registry.register(name, help, family.clone());
            Known::Histogram(Bounded { labels, family, series: 0 })
        });
    }

    /// Adds one to the series of `labels`, values in the order of the declaration.
    pub fn add(&self, name: &'static str, labels: &[&str]) {
        self.add_many(name, labels, 1);
    }

    /// Adds `count` to the series of `labels`: tokens, bytes.
    pub fn add_many(&self, name: &'static str, labels: &[&str], count: u64) {
        match self.families().known.get_mut(name) {
            Some(Known::Counter(bounded)) => {
                bounded.series(labels).inc_by(count);
            }
            _ => undeclared(name),
        }
    }

    /// Puts a time into the histogram's series of `labels`.
    pub fn observe(&self, name: &'static str, labels: &[&str], took: Duration) {
        match self.families().known.get_mut(name) {
            Some(Known::Histogram(bounded)) => bounded.series(labels).observe(took.as_secs_f64()),
            _ => undeclared(name),
        }
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, value: i64) {
        match self.families().known.get(name) {
            Some(Known::Gauge(gauge)) => {
                gauge.set(value);
            }
            _ => undeclared(name),
        }
    }

    /// Adds to a gauge, or takes away.
    pub fn shift(&self, name: &'static str, by: i64) {
        match self.families().known.get(name) {
            Some(Known::Gauge(gauge)) => {
                gauge.inc_by(by);
            }
            _ => undeclared(name),
        }
    }

    /// Counts its holder in a gauge.
    pub fn hold(&self, name: &'static str) -> Held {
        let gauge = match self.families().known.get(name) {
            Some(Known::Gauge(gauge)) => Some(gauge.clone()),
            _ => None,
        };
        match &gauge {
            Some(gauge) => {
                gauge.inc();
            }
            None => undeclared(name),
        }
        Held { gauge }
    }

    /// `route` is the matched pattern (`/tasks/{id}`), never the path, whose values are people's and without end.
    pub fn observe_request(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.shared.totals.count(status, took);
        let code = status.to_string();
        let labels = [method, route, &code];
        self.add("http_requests_total", &labels);
        self.observe("http_request_duration_seconds", &labels, took);
    }

    /// Sums over all requests.
    pub fn sums(&self) -> Sums {
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        let totals = &self.shared.totals;
        Sums {
            answered: of(&totals.answered),
            failed: of(&totals.failed),
            refused: of(&totals.refused),
            took: Duration::from_micros(of(&totals.took_us)),
        }
    }

    /// The text for `GET /metrics`, content type [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let families = self.families();
        for (gauge, ask) in &families.asked {
            if let Some(value) = ask() {
                gauge.set(value);
            }
        }
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = prometheus_text::encode(&mut out, &families.registry);
        out
    }

    fn of_this_process(&self) {
        let resident = || crate::process::memory().and_then(|memory| i64::try_from(memory.resident).ok());
        self.asked("process_resident_memory_bytes", "Memory of this process in RAM, in bytes", resident);
        let descriptors = || crate::process::descriptors().and_then(|open| i64::try_from(open).ok());
        self.asked("process_open_fds", "Descriptors that are open", descriptors);
        let help = "Start of this process, in seconds since 1970-01-01T00:00:00Z";
        self.gauge("process_start_time_seconds", help);
        self.set("process_start_time_seconds", crate::clock::now_ms() / 1_000);
    }

    fn declare(&self, name: &'static str, make: impl FnOnce(&mut Registry) -> Known) {
        let mut families = self.families();
        if !families.known.contains_key(name) {
            let known = make(&mut families.registry);
            families.known.insert(name, known);
        }
    }

    fn families(&self) -> std::sync::MutexGuard<'_, Families> {
        self.shared.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    fn count(&self, status: u16, took: Duration) {
        let add = |total: &AtomicU64, more: u64| {
            total.fetch_add(more, Ordering::Relaxed);
        };
        add(&self.answered, 1);
        add(&self.failed, u64::from(status >= 500));
        add(&self.refused, u64::from(matches!(status, 401 | 403 | 429)));
        add(&self.took_us, u64::try_from(took.as_micros()).unwrap_or_default());
    }
}

impl<M: Clone> Bounded<M> {
    /// The series of these values; `other` throughout where that would be one too many.
    fn series(&mut self, values: &[&str]) -> M {
        let of = |value: fn(&str) -> &str| -> Labels {
            self.labels.iter().zip(values).map(|(&name, given)| (name, value(given).to_owned())).collect()
        };
        let wanted = of(|given| given);
        if self.family.get(&wanted).is_none() {
            if self.series >= SERIES_MAX {
                return self.family.get_or_create_owned(&of(|_| "other"));
            }
            self.series += 1;
        }
        self.family.get_or_create_owned(&wanted)
    }
}

fn undeclared(name: &str) {
    debug_assert!(false, "metric {name} was not declared");
}

/// Whether a request came without a proxy in between: a scraper on this machine or its network. Metrics are not for the
/// street (W-M13); what came through a proxy should carry a token.
pub fn came_directly<'a>(names_of_headers: impl IntoIterator<Item = &'a str>) -> bool {
    !names_of_headers
        .into_iter()
        .any(|name| name.eq_ignore_ascii_case("x-forwarded-for") || name.eq_ignore_ascii_case("forwarded"))
}
