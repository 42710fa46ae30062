//! Lines as they come: across rotation, and of files that appear later.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Line, Query,
    files::{self, Log, rotated},
};

/// How long a line may wait to be seen.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bound: of one look at one file.
const BYTES_MAX: u64 = 1 << 20;

/// Lines that come after [`Follow::begin`]. Looks every 100 ms.
#[derive(Debug)]
pub struct Follow {
    folder: PathBuf,
    query: Query,
    /// How far each current file was read.
    read: HashMap<PathBuf, Place>,
}

/// A position in a file that may have been renamed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    inode: u64,
    offset: u64,
}

impl Follow {
    /// Begins at the present ends of the files. Call it before [`super::read`] to miss nothing, then skip what it
    /// repeats.
    ///
    /// # Errors
    /// As the file system says.
    pub fn begin(folder: &Path, query: Query) -> io::Result<Self> {
        let mut read = HashMap::new();
        for log in files::of(folder, &query)? {
            if let Ok(found) = fs::metadata(&log.path) {
                read.insert(log.path, Place { inode: found.ino(), offset: found.len() });
            }
        }
        Ok(Self { folder: folder.to_owned(), query, read })
    }

    /// The next lines by time, at least one. Cancel-safe. Bound: 1 MiB a file and look.
    ///
    /// # Errors
    /// As the file system says.
    pub async fn next(&mut self) -> io::Result<Vec<Line>> {
        loop {
            // Files of a log are small reads from the page cache; a folder of them takes well below a millisecond.
            let lines = self.look()?;
            if !lines.is_empty() {
                return Ok(lines);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn look(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for log in files::of(&self.folder, &self.query)? {
            let place = self.read.get(&log.path).copied();
            let (fresh, place) = fresh(&log, place)?;
            lines.extend(fresh.into_iter().filter(|line| self.query.holds(line)));
            self.read.extend(place.map(|place| (log.path, place)));
        }
        lines.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(lines)
    }
}

/// What a log has beyond `place`, the rest of rotated files first.
fn fresh(log: &Log, place: Option<Place>) -> io::Result<(Vec<Line>, Option<Place>)> {
    let Ok(current) = fs::metadata(&log.path) else { return Ok((Vec::new(), place)) };
    let mut lines = Vec::new();
    let mut from = 0;
    match place {
        Some(place) if place.inode == current.ino() => from = place.offset,
        Some(place) => {
            for path in rotated_since(log, place) {
                let mut offset = if inode(&path) == Some(place.inode) { place.offset } else { 0 };
                // To its end, however far behind this is: the next look does not come back to it. Bound: its size.
                loop {
                    let (more, end) = whole_lines(&path, offset, &log.instance)?;
                    lines.extend(more);
                    if end == offset {
                        break;
                    }
                    offset = end;
                }
            }
        }
        None => {}
    }
    // A file that became shorter was emptied by hand.
    let from = if from > current.len() { 0 } else { from };
    let (more, offset) = whole_lines(&log.path, from, &log.instance)?;
    lines.extend(more);
    Ok((lines, Some(Place { inode: current.ino(), offset })))
}

/// The rotated files from the one that was being read on, oldest first.
fn rotated_since(log: &Log, place: Place) -> Vec<PathBuf> {
    let mut newer = Vec::new();
    for n in 1.. {
        let path = rotated(&log.path, n);
        let Some(found) = inode(&path) else { break };
        newer.push(path);
        if found == place.inode {
            break;
        }
    }
    newer.reverse();
    newer
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}

/// Lines that have their end, from byte `from` on, and where they end.
pub(super) fn whole_lines(path: &Path, from: u64, instance: &str) -> io::Result<(Vec<Line>, u64)> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), from)),
        file => file?,
    };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    bytes.truncate(whole);
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|raw| Line::parse(instance, raw)).collect();
    Ok((lines, from + whole as u64))
}
