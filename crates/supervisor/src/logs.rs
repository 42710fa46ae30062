//! Reading the log files that shims write: CRI lines (`2026-11-21T10:00:00.123456789Z stdout F text`), rotated by size.

use std::path::{Path, PathBuf};

use model::{InstanceName, ServiceName, Site};

/// `<data>/apps/<app>/<env>/logs`.
pub fn folder(data: &Path, site: &Site) -> PathBuf {
    data.join("apps").join(site.app.as_str()).join(site.env.as_str()).join("logs")
}

/// `<data>/apps/<app>/<env>/logs/<service>/<service>.<release>.<n>.log`; rotated ones have `.1`, `.2`, … behind.
pub fn path(data: &Path, site: &Site, instance: &InstanceName) -> PathBuf {
    folder(data, site).join(instance.service.as_str()).join(format!("{instance}.log"))
}

/// `<data>/apps/<app>/<env>/logs/<name>/<name>.log` for what is no instance: `migrate`, `build`, hooks.
pub fn job_path(data: &Path, site: &Site, name: &str) -> PathBuf {
    folder(data, site).join(name).join(format!("{name}.log"))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// RFC 3339 with nanoseconds, UTC; sorts as text.
    pub at: String,
    /// `web.42.1`, or the job's name.
    pub instance: String,
    pub stream: Stream,
    pub text: String,
    /// The line was cut at 16 KiB and goes on in the next one of the same instance and stream.
    pub partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub service: Option<ServiceName>,
    pub instance: Option<InstanceName>,
    pub release: Option<u64>,
    /// Not older than this.
    pub since: Option<std::time::SystemTime>,
    /// Only lines that hold this text.
    pub grep: Option<String>,
    /// At most the last so many. Bound: 10,000.
    pub tail: usize,
}

/// The last lines that fit `query`, of all its files, by time. Blocking; reads files from their ends.
pub fn read(folder: &Path, query: &Query) -> std::io::Result<Vec<Line>> {
    let _ = (folder, query);
    todo!()
}

/// The last `count` lines of one file as they stand there, oldest first. Reads at most its last 256 KiB.
pub(crate) fn tail_of_file(path: &Path, count: usize) -> std::io::Result<Vec<String>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    const BYTES_MAX: u64 = 256 * 1024;
    let mut file = std::fs::File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut last: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
    last.reverse();
    Ok(last)
}

/// Lines that come after this call, across rotation, of files that appear later too. Looks every 100 ms.
#[derive(Debug)]
pub struct Follow {}

impl Follow {
    /// Begins at the present ends of the files. Call it before [`read`] to miss nothing, then skip what it repeats.
    pub fn begin(folder: &Path, query: Query) -> std::io::Result<Self> {
        let _ = (folder, query);
        todo!()
    }

    /// The next lines by time, at least one. Cancel-safe. Bound: 1,000 lines a call.
    pub async fn next(&mut self) -> std::io::Result<Vec<Line>> {
        todo!()
    }
}
