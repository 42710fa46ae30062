//! Files of earlier releases that a new one keeps, because pages of the last build still ask for them.
//!
//! They are put into the new release once it is sealed: another name for the same file, so that they take no room, and
//! whoever serves the release serves them, app or not. A name that the new release has itself stays its own. How long ago
//! a release had it of its own is in the seal, so that pruning the release that it came from changes nothing.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, fchmod, fchown, fstat, linkat, mkdirat, openat},
    io::Errno,
};

use crate::seal::{Seal, SealedFile};

/// What of an earlier release is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    /// Folders, relative to a release.
    pub paths: &'a [String],
    /// Seconds.
    pub retention: u64,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// Gives the files at `to` those of `from` that they lack, and writes them into `seal`; both are sealed. `now`: seconds of
/// the wall clock. Gives how many came. Blocks on the disk.
/// # Errors
/// As the file system says. What was given until then stays, and is in the seal.
pub(crate) fn carry(
    (from, old): (&Path, &Seal),
    (to, seal): (&Path, &mut Seal),
    kept: Kept<'_>,
    now: u64,
) -> io::Result<usize> {
    let own: HashSet<String> = seal.files.iter().map(|file| file.path.clone()).collect();
    let mut by_folder: BTreeMap<&Path, Vec<(&SealedFile, u64)>> = BTreeMap::new();
    for file in old.files.iter().filter(|file| !own.contains(&file.path)) {
        let path = Path::new(&file.path);
        // What it had of its own was asked for until now.
        let since = old.carried.get(&file.path).copied().unwrap_or(now);
        let is_meant = kept.paths.iter().any(|folder| path.starts_with(folder));
        if is_meant && now.saturating_sub(since) <= kept.retention {
            by_folder.entry(path.parent().unwrap_or(Path::new(""))).or_default().push((file, since));
        }
    }
    let (from, to) = (OwnedFd::from(File::open(from)?), OwnedFd::from(File::open(to)?));
    let mut came = 0;
    for (folder, files) in by_folder {
        let Some(source) = folder_at(&from, folder, false)? else { continue };
        let Some(place) = folder_at(&to, folder, true)? else { continue };
        came += unlocked(&place, || link(&source, &place, &files, seal))?;
    }
    seal.files.sort_by(|a, b| a.path.cmp(&b.path));
    rustix::fs::syncfs(&to)?;
    Ok(came)
}

fn link(from: &OwnedFd, to: &OwnedFd, files: &[(&SealedFile, u64)], seal: &mut Seal) -> io::Result<usize> {
    let mut came = 0;
    for (file, since) in files {
        let Some(name) = Path::new(&file.path).file_name() else { continue };
        match linkat(from, name, to, name, AtFlags::empty()) {
            Ok(()) => {}
            // It is gone with its release; or something else stands there, which then is the new release's own.
            Err(Errno::NOENT | Errno::EXIST) => continue,
            Err(error) => return Err(error.into()),
        }
        seal.bytes += file.bytes;
        seal.entries += 1;
        seal.carried.insert(file.path.clone(), *since);
        seal.files.push((*file).clone());
        came += 1;
    }
    Ok(came)
}

/// The folder at `path`, whose every part is a folder and no link. `None`: it is not there and not to be made, or
/// something else is.
fn folder_at(root: &OwnedFd, path: &Path, is_made: bool) -> io::Result<Option<OwnedFd>> {
    let mut here = root.try_clone()?;
    for name in path {
        here = match openat(&here, name, FOLDER, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) if is_made => unlocked(&here, || make(&here, name))?,
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(Some(here))
}

/// A folder as its parent is: whose group may read it.
fn make(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    mkdirat(parent, name, Mode::RWXU)?;
    let made = openat(parent, name, FOLDER, Mode::empty())?;
    let like = fstat(parent)?;
    fchown(&made, None, Some(rustix::fs::Gid::from_raw(like.st_gid)))?;
    fchmod(&made, Mode::from_raw_mode(like.st_mode & 0o555))?;
    Ok(made)
}

/// A plain user may not write into what is sealed, though it is its own.
fn unlocked<T>(folder: impl AsFd, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mode = Mode::from_raw_mode(fstat(&folder)?.st_mode & 0o777);
    fchmod(&folder, mode | Mode::WUSR)?;
    let done = work();
    fchmod(&folder, mode & !Mode::WUSR)?;
    done
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;

    const DAY: u64 = 24 * 3600;
    const WEEK: u64 = 7 * DAY;

    /// A sealed release of these files, each with its own name in it and the release's.
    fn release(root: &Path, name: &str, files: &[&str]) -> (std::path::PathBuf, Seal) {
        let dir = root.join(name);
        for file in files {
            fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            fs::write(dir.join(file), format!("{file} of {name}")).unwrap();
        }
        fs::create_dir_all(&dir).unwrap();
        let seal = crate::seal::seal(&dir).unwrap();
        (dir, seal)
    }

    fn kept(paths: &[String]) -> Kept<'_> {
        Kept { paths, retention: WEEK }
    }

    fn read(dir: &Path, file: &str) -> Option<String> {
        fs::read_to_string(dir.join(file)).ok()
    }

    #[test]
    fn old_files_of_the_named_folders_come_along_and_the_new_ones_are_its_own() {
        let root = tempfile::tempdir().unwrap();
        let old =
            release(root.path(), "1", &["app.js", "a/one.js", "a/deep/two.js", "a/same.js", "b/three.js"]);
        let (dir, mut seal) = release(root.path(), "2", &["app.js", "a/same.js"]);
        let paths = ["a".to_owned()];
        assert_eq!(carry((&old.0, &old.1), (&dir, &mut seal), kept(&paths), 1000).unwrap(), 2);
        assert_eq!(read(&dir, "a/one.js").unwrap(), "a/one.js of 1");
        assert_eq!(read(&dir, "a/deep/two.js").unwrap(), "a/deep/two.js of 1");
        assert_eq!(read(&dir, "a/same.js").unwrap(), "a/same.js of 2");
        assert_eq!(read(&dir, "b/three.js"), None);
        let names: Vec<&str> = seal.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(names, ["a/deep/two.js", "a/one.js", "a/same.js", "app.js"]);
        assert_eq!(seal.carried.keys().collect::<Vec<_>>(), ["a/deep/two.js", "a/one.js"]);
        for folder in [&dir, &dir.join("a"), &dir.join("a/deep")] {
            assert_eq!(fs::metadata(folder).unwrap().mode() & 0o222, 0, "{folder:?} is sealed");
        }
        let (one, other) = (dir.join("a/one.js"), old.0.join("a/one.js"));
        assert_eq!(fs::metadata(one).unwrap().ino(), fs::metadata(other).unwrap().ino(), "it takes no room");
    }

    #[test]
    fn they_stay_for_their_time_whichever_releases_are_pruned() {
        let root = tempfile::tempdir().unwrap();
        let paths = ["a".to_owned()];
        let (mut dir, mut seal) = release(root.path(), "0", &["a/zero.js"]);
        for (n, at) in [(1, 0), (2, 3 * DAY), (3, 6 * DAY), (4, 8 * DAY)] {
            let own = format!("a/{n}.js");
            let (next, mut next_seal) = release(root.path(), &n.to_string(), &[&own]);
            carry((&dir, &seal), (&next, &mut next_seal), kept(&paths), at).unwrap();
            crate::seal::remove(&dir).unwrap();
            (dir, seal) = (next, next_seal);
            assert_eq!(read(&dir, "a/zero.js").is_some(), at <= WEEK, "after {at} s");
        }
        // Each is counted from when its own release was followed.
        assert_eq!(
            seal.carried,
            [("a/1.js".to_owned(), 3 * DAY), ("a/2.js".to_owned(), 6 * DAY), ("a/3.js".to_owned(), 8 * DAY)]
                .into()
        );
    }

    #[test]
    fn nothing_is_written_through_a_link_of_the_new_release() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let old = release(root.path(), "1", &["a/one.js", "b/two.js"]);
        let dir = root.path().join("2");
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink(&outside, dir.join("a")).unwrap();
        fs::write(dir.join("b"), "a file").unwrap();
        let mut seal = crate::seal::seal(&dir).unwrap();
        let paths = ["a".to_owned(), "b".to_owned()];
        assert_eq!(carry((&old.0, &old.1), (&dir, &mut seal), kept(&paths), 0).unwrap(), 0);
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }
}
