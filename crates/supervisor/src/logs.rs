//! Reading the log files that shims write: CRI lines (`2026-11-21T10:00:00.123456789Z stdout F text`), rotated by size.

mod backwards;
mod files;
mod follow;
mod sweep;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use model::{InstanceName, ServiceName, Site};

pub use follow::Follow;
pub use sweep::sweep;

/// Bound: lines that one reading gives.
pub const LINES_MAX: usize = 10_000;

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

/// The shim's own notes stand in `stderr` and begin with `mainstay:`.
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
    pub since: Option<SystemTime>,
    /// Only lines that hold this text.
    pub grep: Option<String>,
    /// At most the last so many. Bound: [`LINES_MAX`].
    pub tail: usize,
}

impl Line {
    /// Reads one line of a log file. `None`: it is no CRI line (the first after a crash may be half).
    pub fn parse(instance: &str, raw: &str) -> Option<Self> {
        let (at, rest) = raw.split_once(' ')?;
        let (stream, rest) = rest.split_once(' ')?;
        let (mark, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let stream = match stream {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => return None,
        };
        let partial = match mark {
            "F" => false,
            "P" => true,
            _ => return None,
        };
        let dated = at.len() >= 20 && at.ends_with('Z') && at.as_bytes().get(10) == Some(&b'T');
        dated.then(|| Self {
            at: at.to_owned(),
            instance: instance.to_owned(),
            stream,
            text: text.to_owned(),
            partial,
        })
    }
}

impl Query {
    /// The oldest stamp that fits, as lines carry it.
    fn since_text(&self) -> String {
        let stamp = self.since.and_then(|since| jiff::Timestamp::try_from(since).ok());
        stamp.map_or_else(String::new, |stamp| format!("{stamp:.9}"))
    }

    fn holds(&self, line: &Line) -> bool {
        self.grep.as_ref().is_none_or(|text| line.text.contains(text.as_str()))
    }
}

/// The last lines that fit `query`, of all its files, by time. Blocking; reads files from their ends.
///
/// # Errors
/// As the file system says; a folder or file that is not there has no lines.
pub fn read(folder: &Path, query: &Query) -> io::Result<Vec<Line>> {
    let most = query.tail.min(LINES_MAX);
    let since = query.since_text();
    let mut lines = Vec::new();
    for log in files::of(folder, query)? {
        lines.extend(last_of(&log, query, &since, most)?);
    }
    lines.sort_by(|a, b| a.at.cmp(&b.at));
    let surplus = lines.len().saturating_sub(most);
    lines.drain(..surplus);
    Ok(lines)
}

/// Whose logs there are below `folder`: instances by their names, and what is no instance by its folder's.
///
/// # Errors
/// As the file system says; a folder that is not there has none.
pub fn writers(folder: &Path) -> io::Result<(Vec<InstanceName>, Vec<String>)> {
    let (mut instances, mut others) = (Vec::new(), std::collections::BTreeSet::new());
    for (dir, name) in files::names(folder)? {
        match name.parse() {
            Ok(instance) => instances.push(instance),
            Err(_) => drop(others.insert(dir)),
        }
    }
    instances.sort();
    instances.dedup();
    Ok((instances, others.into_iter().collect()))
}

/// The last fitting lines of one instance, oldest first: its current file from the end, then its rotated ones.
fn last_of(log: &files::Log, query: &Query, since: &str, most: usize) -> io::Result<Vec<Line>> {
    let mut newest_first = Vec::new();
    'files: for path in log.newest_first() {
        let Some(lines) = backwards::lines(&path)? else { break };
        for raw in lines {
            if newest_first.len() >= most {
                break 'files;
            }
            let Some(line) = Line::parse(&log.instance, &raw?) else { continue };
            if line.at.as_str() < since {
                break 'files;
            }
            if query.holds(&line) {
                newest_first.push(line);
            }
        }
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// Whole lines of one file from byte `from` on, and where the next reading begins. For a log that one reader follows
/// from its birth; a file that is not there yet has none. Bound: 1 MiB a call.
///
/// # Errors
/// As the file system says.
pub fn read_from(path: &Path, from: u64) -> io::Result<(Vec<Line>, u64)> {
    follow::whole_lines(path, from, &files::instance_of(path).unwrap_or_default())
}

/// The last `count` lines of one file as they stand there, oldest first.
pub(crate) fn tail_of_file(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let Some(lines) = backwards::lines(path)? else { return Ok(Vec::new()) };
    let mut last = lines.take(count).collect::<io::Result<Vec<_>>>()?;
    last.reverse();
    Ok(last)
}
