//! Which log files go: those older than they may be, and of what ended those beyond a bound. The shim bounds the files of
//! what runs; nobody else ever comes back to a log whose process is gone.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use model::{InstanceName, manifest::Logs};

use super::files;

/// A job or a one-off may still write what was written so lately: room is never made of it.
const RECENT: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    bytes: u64,
    /// Since it was last written.
    age: Duration,
    /// Its instance runs.
    lives: bool,
}

/// Removes what `keep` does not keep below a site's folder of logs; gives how many files. `lives` tells of which
/// instances the shims still write. Blocking.
///
/// # Errors
/// As the file system says; what could be removed before is removed.
pub fn sweep(folder: &Path, keep: &Logs, lives: impl Fn(&InstanceName) -> bool) -> io::Result<usize> {
    let now = SystemTime::now();
    let mut removed = 0;
    for dir in files::entries(folder)?.into_iter().filter(|dir| dir.is_dir()) {
        let logs = files::entries(&dir)?.into_iter().filter_map(|path| look(path, now, &lives));
        for path in surplus(logs.collect(), keep) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn look(path: PathBuf, now: SystemTime, lives: impl Fn(&InstanceName) -> bool) -> Option<Seen> {
    let name = files::instance_of(&path)?;
    let found = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
    // One of the future is new.
    let age = found.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
    let lives = name.parse().is_ok_and(|name: InstanceName| lives(&name));
    Some(Seen { path, bytes: found.len(), age, lives })
}

/// Of the files of one folder, which is one service's or one job's. Pure.
// Bound: what ended keeps as much together as one instance that runs.
fn surplus(mut files: Vec<Seen>, keep: &Logs) -> Vec<PathBuf> {
    files.sort_by(|a, b| a.age.cmp(&b.age).then_with(|| a.path.cmp(&b.path)));
    let mut bytes = 0_u64;
    let mut goes = |file: &Seen| {
        if file.age > keep.max_age.0 {
            // Also of what runs: it has written nothing for so long, and its shim makes the file again.
            return true;
        }
        if file.lives {
            return false;
        }
        bytes = bytes.saturating_add(file.bytes);
        bytes > keep.max_bytes.0 && file.age > RECENT
    };
    files.into_iter().filter(|file| goes(file)).map(|file| file.path).collect()
}

#[cfg(test)]
mod tests {
    use model::{ByteSize, Span};

    use super::*;

    const HOUR: u64 = 3600;

    fn keep() -> Logs {
        Logs { max_bytes: ByteSize(100), max_age: Span::secs(10 * HOUR) }
    }

    fn seen(name: &str, bytes: u64, hours: u64, lives: bool) -> Seen {
        Seen { path: name.into(), bytes, age: Duration::from_secs(hours * HOUR), lives }
    }

    fn gone(files: &[Seen]) -> Vec<String> {
        surplus(files.to_vec(), &keep()).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn what_is_old_goes_also_of_an_instance_that_is_silent() {
        assert_eq!(gone(&[seen("old", 1, 11, false), seen("new", 1, 9, false)]), ["old"]);
        assert_eq!(gone(&[seen("silent", 1, 11, true), seen("new", 1, 0, true)]), ["silent"]);
    }

    #[test]
    fn what_ended_keeps_the_newest_within_the_bound_and_what_runs_is_not_counted() {
        let files = [
            seen("runs", 900, 0, true),
            seen("third", 50, 4, false),
            seen("first", 60, 2, false),
            seen("second", 40, 3, false),
        ];
        assert_eq!(gone(&files), ["third"]);
    }

    #[test]
    fn what_may_still_be_written_makes_no_room() {
        assert_eq!(gone(&[seen("huge", 900, 1, false), seen("before", 1, 2, false)]), ["before"]);
    }

    #[test]
    fn a_sweep_leaves_other_files_and_what_lives_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let web = folder.path().join("web");
        fs::create_dir(&web).expect("made");
        let old = SystemTime::now() - Duration::from_secs(5 * HOUR);
        for name in ["web.1.1.log", "web.1.1.log.1", "web.2.1.log", "notes.txt"] {
            fs::write(web.join(name), [b'x'; 200]).expect("written");
            let file = fs::File::options().append(true).open(web.join(name)).expect("opened");
            file.set_modified(old).expect("dated");
        }
        let lives = |name: &InstanceName| name.release.0 == 2;
        assert_eq!(sweep(folder.path(), &keep(), lives).expect("swept"), 2);
        assert!(web.join("web.2.1.log").exists() && web.join("notes.txt").exists());
        assert!(!web.join("web.1.1.log").exists());
    }
}
