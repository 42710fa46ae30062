//! The access log: one JSON object a line, by a bounded queue and a thread that writes, so that no slow disk ever
//! holds a request. What the queue cannot take is dropped and counted.
//!
//! Never holds headers, bodies, or (unless asked) queries.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use http::HeaderValue;

use crate::{run::RunError, settings::AccessLog};

/// Bound: batches that wait for the disk; each is at most [`BATCH_BYTES`] and a line.
const QUEUE_MAX: usize = 64;
/// A thread hands its lines over at the next tick, or when they are this many.
const BATCH_BYTES: usize = 64 << 10;

/// What one line says.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// When it ended.
    pub(crate) unix_ms: u64,
    pub(crate) request_id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a [u8],
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration: Duration,
    pub(crate) ttfb: Option<Duration>,
    pub(crate) upstream: Option<&'a HeaderValue>,
    pub(crate) release: Option<u64>,
    pub(crate) site: Option<&'a str>,
    pub(crate) client: IpAddr,
    pub(crate) protocol: &'a str,
    pub(crate) tls: bool,
    pub(crate) class: &'a str,
    pub(crate) retries: u32,
    pub(crate) cause: Option<&'a str>,
    /// The rate limit that it did not pass.
    pub(crate) limit: Option<&'a str>,
}

/// One thread's end of the log.
#[derive(Debug)]
pub(crate) struct LogBatch {
    to: Option<SyncSender<Vec<u8>>>,
    lines: Vec<u8>,
    count: u64,
    with_query: bool,
    dropped: Arc<AtomicU64>,
    /// `2026-11-21T10:32:38` and the second it stands for.
    second: (u64, String),
}

impl LogBatch {
    pub(crate) fn write(&mut self, line: &Line<'_>) {
        if self.to.is_none() {
            return;
        }
        let with_query = self.with_query;
        self.line(line.unix_ms, |out| line.render(out, with_query));
    }

    /// Any line; `render` writes what comes behind the time, with a comma before it.
    pub(crate) fn line(&mut self, unix_ms: u64, render: impl FnOnce(&mut Vec<u8>)) {
        if self.to.is_none() {
            return;
        }
        self.stamp(unix_ms);
        render(&mut self.lines);
        self.count += 1;
        if self.lines.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&mut self) {
        let Some(to) = self.to.as_ref().filter(|_| !self.lines.is_empty()) else { return };
        let lines = std::mem::replace(&mut self.lines, Vec::with_capacity(BATCH_BYTES));
        if to.try_send(lines).is_err() {
            self.dropped.fetch_add(self.count, Relaxed);
        }
        self.count = 0;
    }

    fn stamp(&mut self, now: u64) {
        if self.second.0 != now / 1000 || self.second.1.is_empty() {
            self.second = (now / 1000, civil(now / 1000));
        }
        self.lines.extend_from_slice(b"{\"time\":\"");
        self.lines.extend_from_slice(self.second.1.as_bytes());
        self.lines.push(b'.');
        digits(&mut self.lines, now % 1000, 3);
        self.lines.extend_from_slice(b"Z\"");
    }
}

impl Drop for LogBatch {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Line<'_> {
    /// By hand and not by `format!`: this runs for every request.
    fn render(&self, out: &mut Vec<u8>, with_query: bool) {
        plain(out, b",\"request_id\":\"", self.request_id.as_bytes());
        plain(out, b",\"method\":\"", self.method.as_bytes());
        text(out, b",\"host\":\"", self.host);
        text(out, b",\"path\":\"", self.path.as_bytes());
        if let Some(query) = self.query.filter(|_| with_query) {
            text(out, b",\"query\":\"", query.as_bytes());
        }
        number(out, b",\"status\":", self.status.into());
        number(out, b",\"bytes_in\":", self.bytes_in);
        number(out, b",\"bytes_out\":", self.bytes_out);
        milliseconds(out, b",\"duration_ms\":", self.duration);
        if let Some(ttfb) = self.ttfb {
            milliseconds(out, b",\"ttfb_ms\":", ttfb);
        }
        if let Some(site) = self.site {
            plain(out, b",\"site\":\"", site.as_bytes());
        }
        if let Some(upstream) = self.upstream {
            plain(out, b",\"upstream\":\"", upstream.as_bytes());
        }
        if let Some(release) = self.release {
            number(out, b",\"release\":", release);
        }
        address(out, b",\"client\":\"", self.client);
        plain(out, b",\"protocol\":\"", self.protocol.as_bytes());
        out.extend_from_slice(if self.tls { b",\"tls\":true" } else { b",\"tls\":false" });
        plain(out, b",\"class\":\"", self.class.as_bytes());
        number(out, b",\"retries\":", self.retries.into());
        if let Some(cause) = self.cause {
            plain(out, b",\"cause\":\"", cause.as_bytes());
        }
        if let Some(limit) = self.limit {
            plain(out, b",\"limit\":\"", limit.as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    digits(out, value, 1);
}

fn milliseconds(out: &mut Vec<u8>, key: &[u8], span: Duration) {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    number(out, key, micros / 1000);
    out.push(b'.');
    digits(out, micros % 1000, 3);
}

/// Decimal, with leading zeroes up to `width`.
fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    // Most numbers are one digit.
    if let (0..10, 1) = (value, width) {
        return out.push(b'0' + value.to_le_bytes()[0]);
    }
    let mut text = [b'0'; 20];
    let mut at = text.len();
    while value > 0 || text.len() - at < width {
        at -= 1;
        text[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    out.extend_from_slice(&text[at..]);
}

fn address(out: &mut Vec<u8>, key: &[u8], ip: IpAddr) {
    out.extend_from_slice(key);
    match ip {
        IpAddr::V4(ip) => {
            let [first, rest @ ..] = ip.octets();
            digits(out, first.into(), 1);
            for octet in rest {
                out.push(b'.');
                digits(out, octet.into(), 1);
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(ip) => {
            let _ = write!(out, "{ip}");
        }
    }
    out.push(b'"');
}

/// As [`text`], for what is ours or a token, in which nothing needs escaping.
fn plain(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    out.extend_from_slice(value);
    out.push(b'"');
}

/// `key` up to the opening quote, then the value with what JSON asks to be escaped; no UTF-8 becomes U+FFFD.
fn text(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    let plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if value.iter().all(plain) {
        out.extend_from_slice(value);
    } else {
        for c in String::from_utf8_lossy(value).chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// `YYYY-MM-DDTHH:MM:SS` of UTC (days to date as by H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(unix_s: u64) -> String {
    let (days, rest) = (unix_s / 86_400, unix_s % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")
}

/// The log's other end: the thread that writes.
#[derive(Debug)]
pub(crate) struct Log {
    to: Option<SyncSender<Vec<u8>>>,
    with_query: bool,
    pub(crate) dropped: Arc<AtomicU64>,
}

impl Log {
    /// Opens the file and starts the thread. `None`: nothing is logged.
    pub(crate) fn start(settings: Option<&AccessLog>) -> Result<(Self, Option<JoinHandle<()>>), RunError> {
        let dropped = Arc::new(AtomicU64::new(0));
        let Some(settings) = settings else {
            return Ok((Self { to: None, with_query: false, dropped }, None));
        };
        let writer = Writer::open(settings)
            .map_err(|source| RunError::AccessLog { path: settings.path.clone(), source })?;
        let (to, from) = sync_channel(QUEUE_MAX);
        let failed = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("edge-log".to_owned())
            .spawn(move || writer.run(&from, &failed))
            .map_err(|source| RunError::Start { what: "the access log's thread", source })?;
        Ok((Self { to: Some(to), with_query: settings.query, dropped }, Some(thread)))
    }

    /// An end for one serving thread. The writer ends when all ends and the log itself are dropped.
    pub(crate) fn batch(&self) -> LogBatch {
        LogBatch {
            to: self.to.clone(),
            lines: Vec::new(),
            count: 0,
            with_query: self.with_query,
            dropped: Arc::clone(&self.dropped),
            second: (0, String::new()),
        }
    }
}

struct Writer {
    path: PathBuf,
    file: File,
    max_bytes: u64,
    keep: u32,
}

impl Writer {
    fn open(settings: &AccessLog) -> io::Result<Self> {
        Ok(Self {
            path: settings.path.clone(),
            file: append(&settings.path)?,
            max_bytes: settings.max_bytes.0,
            keep: settings.keep,
        })
    }

    fn run(mut self, from: &Receiver<Vec<u8>>, failed: &AtomicU64) {
        let mut was_failing = false;
        while let Ok(lines) = from.recv() {
            let result = self.write(&lines);
            if let Err(error) = &result {
                failed.fetch_add(lines.iter().filter(|byte| **byte == b'\n').count() as u64, Relaxed);
                if !was_failing {
                    tracing::error!(path = %self.path.display(), %error, "the access log cannot be written");
                }
            }
            was_failing = result.is_err();
        }
    }

    /// Another edge may write the same file, while one drains: what it has rotated away is let go of, and what it has written
    /// counts.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if !machine::fs::lies_at(&self.file, &self.path)? {
            self.file = append(&self.path)?;
        }
        let bytes = self.file.metadata()?.len();
        if bytes > 0 && bytes + lines.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(lines)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if !machine::fs::may_rotate(&self.file, &self.path)? {
            // Bound: the other one does it now; this batch is beyond the size.
            return Ok(());
        }
        let numbered = |n: u32| {
            let mut path = self.path.clone().into_os_string();
            path.push(format!(".{n}"));
            PathBuf::from(path)
        };
        for n in (1..self.keep).rev() {
            match std::fs::rename(numbered(n), numbered(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match self.keep {
            0 => std::fs::remove_file(&self.path)?,
            _ => std::fs::rename(&self.path, numbered(1))?,
        }
        self.file = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests;
