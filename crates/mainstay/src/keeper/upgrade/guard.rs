//! A new binary whose keeper dies again and again before it is ready puts the one before back, by itself: under systemd
//! nobody else would. Looked at before anything else is made, so that little of the binary has to work for it.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use machine::child::Executable;

use super::{former, move_if_there, previous};
use crate::config::folders::Folders;

/// Bound: so many keepers of a new binary may end before they are ready.
const STARTS_MAX: u32 = 3;

/// How many were started; there from the replacement of the binary until one is ready.
fn starts(folders: &Folders) -> PathBuf {
    folders.data.join("upgrade.starts")
}

/// From now on starts are counted.
pub(super) fn begin(folders: &Folders) -> io::Result<()> {
    machine::fs::write_atomic(&starts(folders), b"0", 0o600)
}

/// One is ready, whichever.
pub(super) fn end(folders: &Folders) {
    // Mostly there is none.
    let _ = fs::remove_file(starts(folders));
}

/// Counts this start; one too many executes the binary before in this one's place, and does not return.
pub(crate) fn guard(folders: &Folders) {
    let file = starts(folders);
    let Ok(text) = fs::read_to_string(&file) else { return };
    let count = text.trim().parse().unwrap_or(0);
    if count < STARTS_MAX {
        if let Err(error) = fs::write(&file, (count + 1).to_string()) {
            eprintln!("the starts of the new binary are not counted: {error}");
        }
        return;
    }
    // Whatever comes of it, it is tried once.
    end(folders);
    let why = format!("{count} of its keepers ended before they were ready");
    eprintln!("the binary before this one is put back: {why}");
    // Without it the next keeper says only that it went back.
    let _ = fs::write(supervisor::up::why_file(&folders.run), &why);
    let error = match Executable::own_path().and_then(|path| put_back(&path).map(|()| path)) {
        Ok(path) => Command::new(path).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    };
    eprintln!("it cannot be put back: {error}");
}

/// The kept one in its old place.
pub(super) fn put_back(path: &Path) -> io::Result<()> {
    fs::rename(previous(path), path)?;
    put_back_former(path)
}

/// What `--back` went to before an upgrade that has not come about.
pub(super) fn put_back_former(path: &Path) -> io::Result<()> {
    move_if_there(&former(path), &previous(path))?;
    machine::fs::fsync_dir(path.parent().unwrap_or(Path::new("/")))
}
