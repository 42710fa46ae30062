//! Places where a test lets a process die, with SIGKILL, when it comes by. Only in debug builds; a release build does not
//! read the variable. The keeper hands it on to its shims.
//!
//! `MAINSTAY_FAIL_AT=<name>` names one place, where every process dies every time. `MAINSTAY_FAIL_AT=/a/folder` lets
//! the first process die that comes by a place of which a file in that folder has the name; the file is gone then.

use std::path::Path;

/// The variable's name.
const VARIABLE: &str = "MAINSTAY_FAIL_AT";

/// Dies here if this place is wanted.
pub fn hit(name: &str) {
    if is_wanted(name) {
        // std's abort would run no handler either, but its SIGABRT could be caught; nothing catches this.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

fn is_wanted(name: &str) -> bool {
    let Some(wanted) = std::env::var_os(VARIABLE).filter(|_| cfg!(debug_assertions)) else { return false };
    let folder = Path::new(&wanted);
    // Who removes the file is the one that dies, also when two come by at once.
    if folder.is_absolute() { std::fs::remove_file(folder.join(name)).is_ok() } else { wanted == name }
}

/// The folder in which places are named, which a process that is held must reach to die there.
pub fn folder() -> Option<std::path::PathBuf> {
    let (_, wanted) = handed_on()?;
    Some(wanted.into()).filter(|folder: &std::path::PathBuf| folder.is_absolute())
}

/// For the environment of a child of our own, which starts with an empty one.
pub fn handed_on() -> Option<(String, String)> {
    let places = std::env::var(VARIABLE).ok().filter(|_| cfg!(debug_assertions))?;
    Some((VARIABLE.to_owned(), places))
}
