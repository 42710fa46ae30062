//! The folder in which the edge finds what the station has got: certificates and the answers to challenges.
//!
//! `<name>/<serial>/chain.pem` and `key.pem`, of which the link `<name>/now` names the one that serves, and
//! `challenges/`. Everything is whole before it has its name. Files are 0640; their group is the folder's, which the
//! keeper has given to the edge.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const NOW: &str = "now";
const CHALLENGES: &str = "challenges";
const CHAIN: &str = "chain.pem";
const KEY: &str = "key.pem";
/// What begins the names of things that are not whole yet.
const UNFINISHED: &str = ".new.";
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;
/// An answer that nobody has asked for in so long is of an order that was cut.
const CHALLENGE_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Certificates of a name that stay: the one that serves and the one before it.
const KEPT: usize = 2;

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// An answer to a challenge; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Placed(PathBuf);

impl Drop for Placed {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, file = %self.0.display(), "The answer to a challenge stays.");
        }
    }
}

/// How a name is called among files: a star stands in none.
pub(crate) fn file_name(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(rest) => format!("_.{rest}"),
        None => name.to_owned(),
    }
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Puts a certificate in its place: the edge serves it soon after. What is there already is made no worse by a second
    /// call. Blocking.
    /// # Errors
    /// The disk's; the one before is then served on.
    pub(crate) fn install(&self, name: &str, serial: &str, chain: &str, key: &str) -> io::Result<()> {
        let place = self.0.join(file_name(name));
        make(&place)?;
        let (own, unfinished) = (place.join(serial), place.join(format!("{UNFINISHED}{serial}")));
        if !own.is_dir() {
            remove(&unfinished)?;
            make(&unfinished)?;
            write(&unfinished.join(KEY), key)?;
            write(&unfinished.join(CHAIN), chain)?;
            machine::fs::fsync_dir(&unfinished)?;
            machine::failpoint::hit("certs-written");
            fs::rename(&unfinished, &own)?;
            machine::fs::fsync_dir(&place)?;
        }
        machine::failpoint::hit("certs-placed");
        point(&place, serial)?;
        tidy(&place, serial);
        Ok(())
    }

    /// The chain that serves; `None`: there is none that can be read. Blocking.
    pub(crate) fn chain(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(file_name(name)).join(NOW).join(CHAIN)).ok()
    }

    /// Blocking.
    /// # Errors
    /// The disk's.
    pub(crate) fn forget(&self, name: &str) -> io::Result<()> {
        remove(&self.0.join(file_name(name)))
    }

    /// Answers a challenge: the edge reads it when it is asked. `file`: a token, or the name that a certificate is for.
    /// Blocking.
    /// # Errors
    /// The disk's.
    pub(crate) fn answer(&self, file: &str, text: &str) -> io::Result<Placed> {
        let path = self.0.join(CHALLENGES).join(file);
        machine::fs::write_atomic(&path, text.as_bytes(), FILE_MODE)?;
        Ok(Placed(path))
    }

    /// Removes answers that a death has left. Blocking.
    pub(crate) fn sweep(&self, now: SystemTime) {
        for entry in fs::read_dir(self.0.join(CHALLENGES)).into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|found| found.modified());
            let age = written.ok().and_then(|at| now.duration_since(at).ok());
            if age.is_some_and(|age| age > CHALLENGE_AGE_MAX) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A new folder has the group of the one that it is in, since that is set-group-id; a change of its mode would end that.
fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Crash: before the rename the link names the one before, after it the new one; both are whole.
fn point(place: &Path, serial: &str) -> io::Result<()> {
    let fresh = place.join(format!("{UNFINISHED}{NOW}"));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(serial, &fresh)?;
    fs::rename(&fresh, place.join(NOW))?;
    machine::fs::fsync_dir(place)
}

/// Removes what was begun and never finished, and older certificates than those that are kept.
fn tidy(place: &Path, serial: &str) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut old: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(&path);
        } else if name != NOW && name != serial {
            old.push((
                entry.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH),
                path,
            ));
        }
    }
    old.sort();
    for (_, path) in old.iter().rev().skip(KEPT - 1) {
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::debug!(%error, folder = %path.display(), "An old certificate stays.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_names_the_last_that_was_put_and_few_older_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let certs = Folder::new(folder.path());
        for serial in ["01", "02", "03", "03"] {
            certs.install("*.example.com", serial, serial, "a key").expect("installed");
            assert_eq!(certs.chain("*.example.com").as_deref(), Some(serial));
        }
        let place = folder.path().join("_.example.com");
        let mut names: Vec<String> = fs::read_dir(&place)
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["02", "03", "now"]);
        let mode = fs::metadata(place.join("03/key.pem")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        certs.forget("*.example.com").expect("forgotten");
        assert_eq!(certs.chain("*.example.com"), None);
    }

    #[test]
    fn what_a_death_left_half_written_is_neither_served_nor_in_the_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let certs = Folder::new(folder.path());
        let half = folder.path().join("a.example/.new.02");
        fs::create_dir_all(&half).expect("made");
        fs::write(half.join("key.pem"), "half").expect("written");
        assert_eq!(certs.chain("a.example"), None);
        certs.install("a.example", "02", "whole", "a key").expect("installed");
        assert_eq!(certs.chain("a.example").as_deref(), Some("whole"));
        assert!(!half.exists());
    }

    #[test]
    fn an_answer_is_there_until_it_is_dropped_and_old_ones_are_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        let certs = Folder::new(folder.path());
        make(&folder.path().join(CHALLENGES)).expect("made");
        let file = folder.path().join("challenges/token");
        let placed = certs.answer("token", "token.thumb").expect("placed");
        assert_eq!(fs::read_to_string(&file).expect("there"), "token.thumb");
        drop(placed);
        assert!(!file.exists());
        std::mem::forget(certs.answer("token", "left by a death").expect("placed"));
        certs.sweep(SystemTime::now());
        assert!(file.exists(), "an order may go on with it");
        certs.sweep(SystemTime::now() + 2 * CHALLENGE_AGE_MAX);
        assert!(!file.exists());
    }
}
