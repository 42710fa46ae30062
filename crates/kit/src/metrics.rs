//! Metrics in Prometheus' text form 0.0.4, the one that every scraper reads.
//!
//! Our own hundred lines rather than `prometheus-client`: that crate writes OpenMetrics only, which the guides' scrapers
//! do not ask for. Names are the catalogue's (METRIC-01 to -04).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

#[cfg(test)]
mod tests;

/// Seconds. The guides' buckets (METRIC-01) and finer ones below, where an answer from SQLite lies.
const BUCKETS: [f64; 14] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, 3.0, 5.0, 7.0, 10.0];

/// Bound: series of one family. Labels come from route patterns and fixed words, so this is never met in health; a
/// mistake in an app costs one series called `other`, not the memory of the machine.
const SERIES_MAX: usize = 2_000;

/// All families of one process; clones share them.
#[derive(Clone, Default)]
pub struct Metrics {
    families: Arc<Mutex<BTreeMap<&'static str, Family>>>,
}

struct Family {
    help: &'static str,
    labels: &'static [&'static str],
    kind: Kind,
    series: BTreeMap<Vec<String>, Series>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Default)]
struct Series {
    value: f64,
    count: u64,
    buckets: [u64; BUCKETS.len()],
}

/// Adds one to its gauge as long as it lives: open WebSockets, running answers.
pub struct Held {
    metrics: Metrics,
    name: &'static str,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.change(self.name, &[], |series| series.value -= 1.0);
    }
}

impl Metrics {
    /// The families that every HTTP app has.
    pub fn for_http() -> Self {
        let metrics = Self::default();
        let labels = &["method", "route", "status_code"];
        metrics.declare(
            "http_request_duration_seconds",
            "Duration of HTTP requests in seconds",
            labels,
            Kind::Histogram,
        );
        metrics.declare("http_requests_total", "HTTP requests answered", labels, Kind::Counter);
        metrics.gauge("websocket_active_connections", "WebSockets that are open");
        metrics
    }

    pub fn counter(&self, name: &'static str, help: &'static str, labels: &'static [&'static str]) {
        self.declare(name, help, labels, Kind::Counter);
    }

    /// A gauge without labels, at 0.
    pub fn gauge(&self, name: &'static str, help: &'static str) {
        self.declare(name, help, &[], Kind::Gauge);
        self.change(name, &[], |_| ());
    }

    /// A histogram of seconds, in the same buckets as requests.
    pub fn histogram(&self, name: &'static str, help: &'static str, labels: &'static [&'static str]) {
        self.declare(name, help, labels, Kind::Histogram);
    }

    pub fn observe(&self, name: &'static str, labels: &[&str], took: Duration) {
        self.change(name, labels, |series| series.observe(took.as_secs_f64()));
    }

    pub fn add_many(&self, name: &'static str, labels: &[&str], count: u64) {
        // Exact up to 2^53.
        self.change(name, labels, |series| series.value += count as f64);
    }

    pub fn add(&self, name: &'static str, labels: &[&str]) {
        self.change(name, labels, |series| series.value += 1.0);
    }

    pub fn set(&self, name: &'static str, value: f64) {
        self.change(name, &[], |series| series.value = value);
    }

    /// Counts its holder in a gauge.
    #[must_use]
    pub fn hold(&self, name: &'static str) -> Held {
        self.change(name, &[], |series| series.value += 1.0);
        Held { metrics: self.clone(), name }
    }

    /// `route` is the matched pattern (`/tasks/{id}`), never the path, whose values are people's and without end.
    pub fn observe_request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let status = status.to_string();
        let labels = [method, route, &status];
        self.change("http_requests_total", &labels, |series| series.value += 1.0);
        self.observe("http_request_duration_seconds", &labels, took);
    }

    /// The text for `GET /metrics`, content type [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        for (name, family) in &*families {
            family.render(name, &mut out);
        }
        out
    }

    fn declare(&self, name: &'static str, help: &'static str, labels: &'static [&'static str], kind: Kind) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        families.entry(name).or_insert(Family { help, labels, kind, series: BTreeMap::new() });
    }

    fn change(&self, name: &'static str, labels: &[&str], with: impl FnOnce(&mut Series)) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(family) = families.get_mut(name) else {
            debug_assert!(false, "metric {name} was not declared");
            return;
        };
        let mut key: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        if family.series.len() >= SERIES_MAX && !family.series.contains_key(&key) {
            key = vec!["other".to_owned(); labels.len()];
        }
        with(family.series.entry(key).or_default());
    }
}

/// What [`Metrics::render`] is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Family {
    fn render(&self, name: &str, out: &mut String) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing into a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", self.help);
        for (values, series) in &self.series {
            let labels: Vec<String> = self
                .labels
                .iter()
                .zip(values)
                .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
                .collect();
            let labels = labels.join(",");
            if self.kind == Kind::Histogram {
                series.render_histogram(name, &labels, out);
            } else if labels.is_empty() {
                let _ = writeln!(out, "{name} {}", series.value);
            } else {
                let _ = writeln!(out, "{name}{{{labels}}} {}", series.value);
            }
        }
    }
}

impl Series {
    fn observe(&mut self, seconds: f64) {
        self.value += seconds;
        self.count += 1;
        let reached = self.buckets.iter_mut().zip(BUCKETS).filter(|(_, bound)| seconds <= *bound);
        reached.for_each(|(bucket, _)| *bucket += 1);
    }

    fn render_histogram(&self, name: &str, labels: &str, out: &mut String) {
        for (count, bound) in self.buckets.iter().zip(BUCKETS) {
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", self.count);
        let _ =
            writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", self.value, self.count);
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
