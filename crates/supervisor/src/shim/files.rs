//! The files of one log: `<name>.log`, rotated by size to `.1`, `.2`, `.3`, `.4`; all together within the bound.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::spec::LogFile;

/// The current one and those rotated away.
const FILES: u64 = 5;
/// Smaller files would rotate at every burst.
const FILE_BYTES_MIN: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct Files {
    log: LogFile,
    file_bytes_max: u64,
    open: Option<(File, u64)>,
    /// When the first line of the open file was written.
    begins: SystemTime,
}

impl Files {
    pub(super) fn new(log: LogFile) -> Self {
        let file_bytes_max = (log.max_bytes / FILES).max(FILE_BYTES_MIN);
        Self { log, file_bytes_max, open: None, begins: SystemTime::UNIX_EPOCH }
    }

    /// Writes whole lines; returns how many could not be written.
    pub(super) fn write(&mut self, mut lines: &[u8]) -> u64 {
        let mut lost = 0;
        while !lines.is_empty() {
            let piece = match self.make_room(lines) {
                Ok(room) => first_lines(lines, room),
                Err(_) => lines.len(),
            };
            let (now, rest) = lines.split_at(piece);
            if self.append(now).is_err() {
                lost += now.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            lines = rest;
        }
        lost
    }

    /// Opens or rotates; returns how many bytes the open file may still take.
    fn make_room(&mut self, lines: &[u8]) -> io::Result<u64> {
        let is_there = |(file, _): &(File, u64)| machine::fs::lies_at(file, &self.log.path).unwrap_or(true);
        if !self.open.as_ref().is_some_and(is_there) {
            // Someone removed it, or another shim rotated it: that of the edge which drains writes the same log.
            self.open = None;
        }
        let (file, size) = self.opened()?;
        *size = file.metadata()?.len();
        let size = *size;
        let first = first_lines(lines, 0) as u64;
        if size > 0 && (size + first > self.file_bytes_max || self.is_old()) {
            self.rotate_if_alone()?;
        }
        let size = self.open.as_ref().map_or(0, |(_, size)| *size);
        Ok(self.file_bytes_max.saturating_sub(size))
    }

    /// A log of few words never grows full: it is closed by age, so that its lines can go.
    fn is_old(&self) -> bool {
        let age = SystemTime::now().duration_since(self.begins).unwrap_or_default();
        age > Duration::from_secs(self.log.max_age_s)
    }

    fn opened(&mut self) -> io::Result<&mut (File, u64)> {
        if self.open.is_none() {
            if let Some(folder) = self.log.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
            let mut options = OpenOptions::new();
            let file =
                options.append(true).create(true).mode(0o640).custom_flags(nofollow).open(&self.log.path)?;
            let size = file.metadata()?.len();
            self.begins = first_stamp(&self.log.path).unwrap_or_else(SystemTime::now);
            self.open = Some((file, size));
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("no log file"))
    }

    /// All of `lines` or nothing: a torn line would stick to the next one.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let (file, size) = self.opened()?;
        match file.write_all(lines) {
            Ok(()) => {
                *size += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                let _ = file.set_len(*size);
                Err(error)
            }
        }
    }

    /// Bound: while another one does it, what is written now is beyond the size.
    fn rotate_if_alone(&mut self) -> io::Result<()> {
        if let Some((file, _)) = &self.open
            && machine::fs::may_rotate(file, &self.log.path)?
        {
            self.rotate();
            self.open = None;
            self.opened()?;
        }
        Ok(())
    }

    fn rotate(&self) {
        let oldest = SystemTime::now().checked_sub(Duration::from_secs(self.log.max_age_s));
        for n in (1..FILES).rev() {
            let from = if n == 1 { self.log.path.clone() } else { self.rotated(n - 1) };
            let Ok(meta) = fs::metadata(&from) else { continue };
            let expired = meta.modified().ok().zip(oldest).is_some_and(|(written, oldest)| written < oldest);
            // A name that cannot be renamed keeps its lines and grows: losing the bound is better than losing them.
            let _ = if expired { fs::remove_file(&from) } else { fs::rename(&from, self.rotated(n)) };
        }
    }

    fn rotated(&self, n: u64) -> PathBuf {
        let mut name: OsString = self.log.path.clone().into_os_string();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }
}

/// The time that the first line of a file carries; `None`: it has none.
fn first_stamp(path: &Path) -> Option<SystemTime> {
    // Longer than any stamp.
    let mut head = [0; 64];
    let count = File::open(path).ok()?.read(&mut head).ok()?;
    let text = str::from_utf8(head.get(..count)?).ok()?;
    text.split_once(' ')?.0.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

/// How many bytes the whole lines at the start of `lines` take that fit `room`; at least one line.
fn first_lines(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    let within = lines.get(..room).and_then(|fit| fit.iter().rposition(|byte| *byte == b'\n'));
    let end = within.or_else(|| lines.iter().position(|byte| *byte == b'\n'));
    end.map_or(lines.len(), |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path, max_bytes: u64) -> Files {
        Files::new(LogFile { path: dir.join("logs/web.log"), max_bytes, max_age_s: 3600 })
    }

    #[test]
    fn all_files_together_stay_within_the_bound_and_hold_the_newest_lines() {
        let dir = tempfile::tempdir().expect("a folder");
        let bound = FILES * FILE_BYTES_MIN;
        let mut files = files(dir.path(), bound);
        for n in 0..20_000 {
            assert_eq!(files.write(format!("line {n:050}\n").as_bytes()), 0);
        }
        let mut all: Vec<_> = fs::read_dir(dir.path().join("logs")).expect("there").flatten().collect();
        all.sort_by_key(fs::DirEntry::file_name);
        let size: u64 = all.iter().map(|file| file.metadata().expect("there").len()).sum();
        assert!(size <= bound, "{size} of {bound}");
        assert_eq!(all.len() as u64, FILES);
        let newest = fs::read_to_string(dir.path().join("logs/web.log")).expect("text");
        assert!(newest.ends_with(&format!("line {:050}\n", 19_999)));
        let before = fs::read_to_string(dir.path().join("logs/web.log.1")).expect("text");
        let last =
            before.lines().last().and_then(|line| line.get(5..)?.parse::<u32>().ok()).expect("a number");
        let first =
            newest.lines().next().and_then(|line| line.get(5..)?.parse::<u32>().ok()).expect("a number");
        assert_eq!(last + 1, first);
    }

    #[test]
    fn a_file_of_few_words_is_closed_by_age() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("logs/web.log");
        fs::create_dir(dir.path().join("logs")).expect("made");
        let at = |hours: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        for (hours, rotated) in [(2, true), (0, false)] {
            fs::write(&log, format!("{:.9} stdout F before\n", at(hours))).expect("written");
            let line = format!("{:.9} stdout F now\n", at(0));
            assert_eq!(files(dir.path(), 1 << 20).write(line.as_bytes()), 0);
            let text = fs::read_to_string(&log).expect("text");
            assert_eq!(text.lines().count() == 1, rotated, "{text}");
        }
        assert!(dir.path().join("logs/web.log.1").exists());
    }

    /// As the shims of two edges do while one drains.
    #[test]
    fn two_that_write_one_log_lose_no_line_and_keep_its_bound() {
        let dir = tempfile::tempdir().expect("a folder");
        let bound = FILES * FILE_BYTES_MIN;
        let (mut old, mut new) = (files(dir.path(), bound), files(dir.path(), bound));
        // Less than the bound of all, more than two files.
        for n in 0..1_500 {
            assert_eq!(old.write(format!("old {n:080}\n").as_bytes()), 0);
            assert_eq!(new.write(format!("new {n:080}\n").as_bytes()), 0);
        }
        let all = fs::read_dir(dir.path().join("logs")).expect("there").flatten();
        let texts: Vec<_> = all
            .map(|file| fs::read_to_string(file.path()).expect("text"))
            .inspect(|text| {
                assert!(text.len() as u64 <= FILE_BYTES_MIN, "{} bytes", text.len());
            })
            .collect();
        assert!(texts.len() > 2, "it was rotated {} times", texts.len() - 1);
        let lines: std::collections::BTreeSet<_> = texts.iter().flat_map(|text| text.lines()).collect();
        assert_eq!(lines.len(), 3_000);
    }

    #[test]
    fn a_removed_file_is_made_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut files = files(dir.path(), 1 << 20);
        files.write(b"one\n");
        fs::remove_file(dir.path().join("logs/web.log")).expect("removed");
        files.write(b"two\n");
        assert_eq!(fs::read_to_string(dir.path().join("logs/web.log")).expect("text"), "two\n");
    }

    #[test]
    fn lines_that_no_file_takes_are_counted() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("logs"), "a file where the folder should be").expect("written");
        assert_eq!(files(dir.path(), 1 << 20).write(b"one\ntwo\n"), 2);
    }
}
