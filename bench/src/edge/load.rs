//! The load tools: wrk for HTTP/1.1, h2load for HTTP/2, and what they say.

use std::{fmt, fs, path::Path, process::Command};

use super::peers::Peer;

/// Connections of wrk; h2load has as many streams on an eighth of the connections.
const CONNECTIONS: u32 = 64;

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub h2: bool,
    pub tls: bool,
    pub bytes: u32,
}

/// One measurement, or the median of several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub cpu_us: f64,
    pub p99_ms: f64,
    pub requests_per_s: f64,
    pub failed: u64,
}

/// What a load tool said.
pub(crate) struct Run {
    pub requests: u64,
    pub seconds: f64,
    pub p99_ms: f64,
    pub failed: u64,
}

impl Cell {
    pub(crate) fn all() -> Vec<Self> {
        let kinds = [(false, false), (false, true), (true, false), (true, true)];
        kinds
            .into_iter()
            .flat_map(|(h2, tls)| [1024, 64 << 10].map(|bytes| Self { h2, tls, bytes }))
            .collect()
    }

    fn url(&self, peer: &Peer) -> String {
        let (scheme, port) = match (self.tls, self.h2) {
            (true, _) => ("https", peer.tls),
            (false, true) => ("http", peer.plain_h2),
            (false, false) => ("http", peer.plain),
        };
        format!("{scheme}://localhost:{port}/plain/{}", self.bytes)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.h2 { "HTTP/2" } else { "HTTP/1.1" };
        write!(f, "{version}, {}, {} KiB", if self.tls { "TLS" } else { "plain" }, self.bytes / 1024)
    }
}

pub(crate) fn run(peer: &Peer, cell: Cell, seconds: u32) -> Run {
    let url = cell.url(peer);
    if cell.h2 { h2load(&url, seconds) } else { wrk(&url, seconds, None) }
}

/// By wrk, whose requests may be those of a `script` (in Lua).
pub(crate) fn wrk(url: &str, seconds: u32, script: Option<&Path>) -> Run {
    let mut wrk = on_other_cores("wrk");
    wrk.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s"), "--latency"]);
    if let Some(script) = script {
        wrk.arg("-s").arg(script);
    }
    wrk.arg(url);
    let text = output(&mut wrk);
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    let p99_ms = text.lines().find_map(|line| milliseconds(line.trim().strip_prefix("99%")?.trim()));
    let sockets: u64 = text.lines().find(|line| line.contains("Socket errors")).map_or(0, sum);
    let statuses: u64 = text.lines().find(|line| line.contains("Non-2xx")).map_or(0, sum);
    let requests = requests.unwrap_or_else(|| panic!("wrk said:\n{text}"));
    Run {
        requests,
        seconds: f64::from(seconds),
        p99_ms: p99_ms.unwrap_or(f64::NAN),
        failed: sockets + statuses,
    }
}

fn h2load(url: &str, seconds: u32) -> Run {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut h2load = on_other_cores("h2load");
    let (clients, streams) = ((CONNECTIONS / 8).to_string(), "8");
    h2load.args(["-c", &clients, "-m", streams, "-t", "1", "-D", &seconds.to_string()]);
    let text = output(h2load.arg("--log-file").arg(log.path()).arg(url));
    let line = text
        .lines()
        .find(|line| line.starts_with("requests:"))
        .unwrap_or_else(|| panic!("h2load said:\n{text}"));
    let before = |word: &str| {
        let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse::<u64>().ok()
    };
    let requests = before("succeeded").unwrap_or(0);
    let failed = before("failed").unwrap_or(0) + before("errored").unwrap_or(0);
    Run { requests, seconds: f64::from(seconds), p99_ms: p99_of(log.path()), failed }
}

/// The third column of each line is the request's time in microseconds.
fn p99_of(log: &Path) -> f64 {
    let text = fs::read_to_string(log).unwrap_or_default();
    let times = text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    let mut times: Vec<u64> = times.collect();
    times.sort_unstable();
    times.get(times.len() * 99 / 100).map_or(f64::NAN, |time| *time as f64 / 1000.0)
}

/// Load and proxy must not share a core, where there are two.
fn on_other_cores(program: &str) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("1-{}", cores - 1), program]);
    command
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// `1.23ms`, `456.00us`, `1.20s`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let (unit, factor) = units.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor)
}

/// All numbers after the colon.
fn sum(line: &str) -> u64 {
    let numbers = line.split_once(':').map_or(line, |(_, numbers)| numbers);
    numbers.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_sums_are_read() {
        assert_eq!(milliseconds("1.50ms"), Some(1.5));
        assert_eq!(milliseconds("500.00us"), Some(0.5));
        assert_eq!(milliseconds("2.00s"), Some(2000.0));
        assert_eq!(sum("  Socket errors: connect 0, read 5, write 1, timeout 0"), 6);
        assert_eq!(sum("  Non-2xx or 3xx responses: 7"), 7);
    }
}
