//! Figures by route, method and status, kept by each thread for itself and added up when somebody asks.
//!
//! Names are those of the guides (METRIC-01, METRIC-02), with finer buckets between theirs. Bound: routes of the table
//! times methods times statuses seen; what clients make up (methods, paths) makes no new series.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Method;

use crate::hash::OwnKeys;

/// Upper bounds in seconds; 0.1 to 10 are the guides'.
const BUCKETS_S: [f64; 19] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 30.0,
    60.0,
];

/// Methods that are told apart; others are `OTHER`.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "OTHER"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    route: u32,
    method: u8,
    status: u16,
}

#[derive(Clone, Debug, Default)]
struct Cell {
    buckets: [u64; BUCKETS_S.len()],
    count: u64,
    sum_s: f64,
}

/// One thread's figures. The lock is taken by others only while they read.
#[derive(Debug, Default)]
pub(crate) struct Shard(Mutex<HashMap<Key, Cell, OwnKeys>>);

impl Shard {
    pub(crate) fn record(&self, route: u32, method: &Method, status: u16, took: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let key = Key { route, method: u8::try_from(method).unwrap_or(0), status };
        let seconds = took.as_secs_f64();
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = cells.entry(key).or_default();
        cell.count += 1;
        cell.sum_s += seconds;
        let bucket = BUCKETS_S.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = cell.buckets.get_mut(bucket) {
            *bucket += 1;
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|cell| cell.count).sum()
    }
}

/// Names of routes as metrics count them. Number 0 is no route. Names are never forgotten while the edge runs, since
/// counters must not go back.
#[derive(Debug)]
pub(crate) struct RouteNames {
    /// By their numbers.
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Default for RouteNames {
    fn default() -> Self {
        Self { names: vec!["none".into()], numbers: HashMap::new() }
    }
}

impl RouteNames {
    /// Asked for every route of every table: one hash, however many there are.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(0);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }
}

/// The request metrics of all threads as Prometheus text.
pub(crate) fn render(shards: &[Shard], names: &RouteNames, out: &mut String) {
    let mut all: BTreeMap<Key, Cell> = BTreeMap::new();
    for shard in shards {
        for (key, cell) in shard.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let sum = all.entry(*key).or_default();
            sum.count += cell.count;
            sum.sum_s += cell.sum_s;
            sum.buckets.iter_mut().zip(cell.buckets).for_each(|(sum, bucket)| *sum += bucket);
        }
    }
    out.push_str("# HELP http_request_duration_seconds Duration of HTTP requests in seconds\n");
    out.push_str("# TYPE http_request_duration_seconds histogram\n");
    for (key, cell) in &all {
        histogram(out, &labels(*key, names), cell);
    }
    out.push_str("# HELP http_requests_total HTTP requests\n# TYPE http_requests_total counter\n");
    for (key, cell) in &all {
        let _ = writeln!(out, "http_requests_total{{{}}} {}", labels(*key, names), cell.count);
    }
}

fn labels(key: Key, names: &RouteNames) -> String {
    let route = names.names.get(key.route as usize).map_or("none", |name| &**name);
    let method = METHODS.get(usize::from(key.method)).copied().unwrap_or("OTHER");
    format!("method=\"{method}\",route=\"{}\",status_code=\"{}\"", escape(route), key.status)
}

fn histogram(out: &mut String, labels: &str, cell: &Cell) {
    const NAME: &str = "http_request_duration_seconds";
    let mut below = 0;
    for (bound, count) in BUCKETS_S.iter().zip(cell.buckets) {
        below += count;
        let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {}", cell.count);
    let _ = writeln!(out, "{NAME}_sum{{{labels}}} {}", cell.sum_s);
    let _ = writeln!(out, "{NAME}_count{{{labels}}} {}", cell.count);
}

/// One gauge or counter with its lines.
pub(crate) fn family(out: &mut String, name: &str, kind: &str, help: &str, lines: &[(String, u64)]) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in lines {
        let _ = match labels.as_str() {
            "" => writeln!(out, "{name} {value}"),
            labels => writeln!(out, "{name}{{{labels}}} {value}"),
        };
    }
}

/// A label's value in the text format.
pub(crate) fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_its_number_whatever_comes_between() {
        let mut names = RouteNames::default();
        let numbers: Vec<u32> = ["a/", "b/", "a/", "c/", "b/"].map(|name| names.number(name)).into();
        assert_eq!(numbers, [1, 2, 1, 3, 2]);
    }

    #[test]
    fn threads_are_added_up_and_buckets_grow() {
        let shards = [Shard::default(), Shard::default()];
        let mut names = RouteNames::default();
        let route = names.number("a.example/");
        shards[0].record(route, &Method::GET, 200, Duration::from_millis(2));
        shards[1].record(route, &Method::GET, 200, Duration::from_millis(400));
        shards[1].record(0, &Method::from_bytes(b"FOO").unwrap(), 404, Duration::from_secs(99));
        let mut text = String::new();
        render(&shards, &names, &mut text);
        let of = "method=\"GET\",route=\"a.example/\",status_code=\"200\"";
        for line in [
            format!("http_requests_total{{{of}}} 2\n"),
            format!("http_request_duration_seconds_bucket{{{of},le=\"0.0025\"}} 1\n"),
            format!("http_request_duration_seconds_bucket{{{of},le=\"0.5\"}} 2\n"),
            format!("http_request_duration_seconds_bucket{{{of},le=\"+Inf\"}} 2\n"),
            "http_requests_total{method=\"OTHER\",route=\"none\",status_code=\"404\"} 1\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}
