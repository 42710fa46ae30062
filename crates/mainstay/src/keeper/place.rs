//! The folders of a Mainstay on the disk: made, locked, and left without a trace of what is only for a time.
//!
//! The data folder stays, with its two locks: one keeper, and one `mainstay up` above it. The run folder belongs to who holds
//! the latter; with it goes the folder above, once no other Mainstay of this user has one there.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    time::{Duration, Instant},
};

use machine::lock::{FileLock, ProcessLock};
use model::Explain;

use crate::config::folders::{Folders, Kind};

/// The code of the refusal when somebody holds the data folder.
pub(crate) const ALREADY_UP: &str = "already-up";
/// How long a `mainstay up` may take from its keeper's last word to its end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// Bound: how often somebody else may remove the folder above while the run folder is made.
const ATTEMPTS_MAX: usize = 5;

/// Data for the keeper's user; others may pass through but not list.
/// # Errors
/// It belongs to somebody else, or cannot be made.
pub(crate) fn make_data(folders: &Folders) -> Result<(), Explain> {
    let dirs = [
        (folders.data.clone(), passable()),
        (folders.data.join("apps"), passable()),
        (folders.data.join("artifacts"), 0o700),
    ];
    for (path, mode) in dirs {
        let above = path.parent().map_or(Ok(()), fs::create_dir_all);
        above.and_then(|()| machine::fs::make_dir(&path, mode)).map_err(|error| not_made(&path, &error))?;
    }
    Ok(())
}

/// # Errors
/// It cannot be made, or somebody else could write there.
pub(crate) fn make_run(folders: &Folders) -> Result<(), Explain> {
    for _ in 1..ATTEMPTS_MAX {
        match try_make_run(folders)? {
            // Another Mainstay of this user has just left, and took the folder above with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(not_made(&folders.run, &error)),
            Ok(()) => return owned(&folders.run),
        }
    }
    Err(not_made(&folders.run, &io::ErrorKind::NotFound.into()))
}

fn try_make_run(folders: &Folders) -> Result<io::Result<()>, Explain> {
    if let (Kind::Own, Some(above)) = (folders.kind, folders.run.parent()) {
        let made = above.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| machine::fs::make_dir(above, passable()))
            .map_err(|error| not_made(above, &error))?;
        match owned(above) {
            Err(_) if !above.exists() => return Ok(Err(io::ErrorKind::NotFound.into())),
            owned => owned?,
        }
    }
    Ok(machine::fs::make_dir(&folders.run, passable()))
}

fn passable() -> u32 {
    if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 }
}

/// A data folder of somebody else is theirs to start; only root may start it for them.
/// # Errors
/// It is somebody else's.
pub(crate) fn refuse_anothers(folders: &Folders, me: u32) -> Result<(), Explain> {
    let owner = match fs::metadata(&folders.data) {
        Ok(found) => found.uid(),
        // It lies in a folder that this user may not enter.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let explain = Explain::new(
                "folder-not-reached",
                format!("cannot look at {}", folders.data.display()),
            )
            .help(
                "start as a user that may enter the folders above it, or choose another folder with `--data`",
            );
            return Err(in_the_way(explain.because(&error), &folders.data));
        }
        Err(_) => return Ok(()),
    };
    if owner == me || me == 0 {
        return Ok(());
    }
    let (owner, me, data) = (name_of(owner), name_of(me), folders.data.display());
    Err(Explain::new("folder-of-another", format!("the data folder {data} belongs to {owner}, and this is {me}"))
        .now("nothing was changed")
        .help(format!("start it as {owner} (`sudo -u {owner} mainstay --data {data} up`), or choose another folder with `--data`")))
}

fn not_made(path: &Path, error: &io::Error) -> Explain {
    let explain = Explain::new("folder-not-made", format!("cannot make {}", path.display()))
        .help("start as a user that may write there, or choose another folder with `--data`");
    in_the_way(explain.because(error), path)
}

/// What stands in the way is often not the folder itself but who owns the one that it lies in.
fn in_the_way(mut explain: Explain, path: &Path) -> Explain {
    let own = rustix::process::geteuid().as_raw();
    let nearest = path.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?.uid())));
    if let Some((place, owner)) = nearest.filter(|(_, owner)| *owner != own) {
        let (owner, me) = (name_of(owner), name_of(own));
        explain = explain.caused_by(format!("{} belongs to {owner}, and this is {me}", place.display()));
    }
    explain
}

fn name_of(uid: u32) -> String {
    let known = machine::users::by_uid(uid).ok().flatten();
    known.map_or_else(|| format!("the user {uid}"), |account| account.name)
}

/// A run folder in /tmp may have been made by somebody else, to read or to mislead.
/// # Errors
/// It was, or others may write there.
pub(crate) fn owned(path: &Path) -> Result<(), Explain> {
    let found = fs::symlink_metadata(path).map_err(|error| {
        Explain::new("run-folder", format!("cannot look at {}", path.display()))
            .because(&error)
            .help("see who owns the folders above it, or set XDG_RUNTIME_DIR to one that only you can write")
    })?;
    let mine = found.uid() == rustix::process::geteuid().as_raw();
    if mine && found.is_dir() && found.permissions().mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Explain::new("run-folder-not-ours", format!("{} is not a folder of ours alone", path.display()))
        .help("remove it, or set XDG_RUNTIME_DIR to a folder that only you can write"))
}

/// The lock of the one `mainstay up` of a data folder. One that answers is here to stay; one that does not has said that
/// everything has stopped and is about to end, and is waited for.
/// # Errors
/// Another one runs; the lock's file cannot be used.
pub(crate) fn front_lock(folders: &Folders) -> Result<FileLock, Explain> {
    let until = Instant::now() + ENDS_WITHIN;
    loop {
        if let Some(lock) = try_front_lock(folders)? {
            return Ok(lock);
        }
        if answers(&folders.api_socket()) || Instant::now() >= until {
            return Err(already_up(folders));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn try_front_lock(folders: &Folders) -> Result<Option<FileLock>, Explain> {
    let path = folders.data.join("up.lock");
    FileLock::try_acquire(&path).map_err(|error| no_lock(&path, &error))
}

fn answers(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

/// One keeper a data folder: the kernel frees the lock when its holder dies, and children never inherit it.
pub(crate) fn keeper_lock(folders: &Folders) -> Result<ProcessLock, Explain> {
    let path = folders.data.join("keeper.lock");
    let taken = ProcessLock::try_acquire(&path).map_err(|error| no_lock(&path, &error))?;
    taken.ok_or_else(|| already_up(folders))
}

fn no_lock(path: &Path, error: &io::Error) -> Explain {
    Explain::new("no-lock", format!("cannot lock {}", path.display()))
        .because(error)
        .help("the data folder must be the user's that runs Mainstay, and on a disk that knows locks: not every network share does")
}

pub(crate) fn already_up(folders: &Folders) -> Explain {
    Explain::new(ALREADY_UP, format!("Mainstay runs for {} already", folders.data.display()))
        .help("`mainstay status` shows it; another data folder (`--data`) is another Mainstay")
}

/// Removes what is only for a time. The caller holds the front's lock: nobody else has begun to use it.
pub(crate) fn leave(folders: &Folders, _front: &FileLock) {
    if supervisor::has_processes(&folders.run) {
        // What could not be ended is the next keeper's to find.
        return;
    }
    match fs::remove_dir_all(&folders.run) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, run = %folders.run.display(), "The run folder could not be removed.");
        }
        _ => {}
    }
    if let (Kind::Own, Some(above)) = (folders.kind, folders.run.parent()) {
        // Refused where another Mainstay has its folder there.
        let _ = fs::remove_dir(above);
    }
}

/// The same for a keeper that nobody stands above. Where somebody does by now, it is theirs.
pub(crate) fn leave_alone(folders: &Folders) {
    if let Ok(Some(front)) = try_front_lock(folders) {
        leave(folders, &front);
    }
}

/// Made once; digests of secrets are compared only on this machine.
/// # Errors
/// The data folder cannot be written.
pub(crate) fn salt(data: &Path) -> Result<Vec<u8>, Explain> {
    let path = data.join("salt");
    if let Ok(salt) = fs::read(&path)
        && salt.len() == 32
    {
        return Ok(salt);
    }
    let failed = |error: io::Error| {
        Explain::new("data-unwritable", format!("cannot write {}", path.display()))
            .because(&error)
            .help("is the disk full, or the data folder another user's? `mainstay check` looks at both")
    };
    let mut salt = vec![0; 32];
    machine::entropy::fill(&mut salt).map_err(failed)?;
    machine::fs::write_atomic(&path, &salt, 0o600).map_err(failed)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::folders::Surroundings;

    fn folders(at: &Path, name: &str) -> Folders {
        let around = Surroundings {
            uid: rustix::process::geteuid().as_raw(),
            xdg_data_home: None,
            xdg_runtime_dir: Some(at.join("runtime").into_os_string()),
            home: None,
        };
        let folders = Folders::own(&at.join(name), &around);
        make_data(&folders).expect("made");
        make_run(&folders).expect("made");
        folders
    }

    #[test]
    fn what_is_for_a_time_goes_and_what_another_mainstay_has_stays() {
        let at = tempfile::tempdir().expect("a folder");
        let (one, two) = (folders(at.path(), "one"), folders(at.path(), "two"));
        let [first, second] = [&one, &two].map(|folders| front_lock(folders).expect("nobody else"));
        fs::write(one.run.join("up.notify"), "").expect("written");
        leave(&one, &first);
        assert!(!one.run.exists() && two.run.exists());
        fs::create_dir_all(two.run.join("i/01ARZ3NDEKTSV4RRFFQ69G5FAV")).expect("made");
        leave(&two, &second);
        assert!(two.run.exists(), "a process that lives on is found there");
        fs::remove_dir(two.run.join("i/01ARZ3NDEKTSV4RRFFQ69G5FAV")).expect("removed");
        leave_alone(&two);
        assert!(two.run.exists(), "somebody stands above");
        drop(second);
        leave_alone(&two);
        assert!(!at.path().join("runtime/mainstay").exists());
        assert!(one.data.join("up.lock").exists() && two.data.exists());
    }

    #[test]
    fn a_data_folder_of_somebody_else_is_named_with_its_owner_and_only_root_may_use_it() {
        let at = tempfile::tempdir().expect("a folder");
        let folders = folders(at.path(), "one");
        let me = rustix::process::geteuid().as_raw();
        // An account that no machine has.
        let stranger = 3_999_999_998;
        let refused = refuse_anothers(&folders, stranger).expect_err("it is another's");
        let data = folders.data.display();
        let words =
            format!("the data folder {data} belongs to {}, and this is the user {stranger}", name_of(me));
        assert_eq!((refused.code.as_str(), refused.message), ("folder-of-another", words));
        assert!(refused.help.is_some_and(|help| {
            help.contains(&format!("sudo -u {} mainstay --data {data} up", name_of(me)))
        }));
        assert_eq!((refuse_anothers(&folders, me), refuse_anothers(&folders, 0)), (Ok(()), Ok(())));
        let denied = not_made(Path::new("/proc/1/fd/x"), &io::ErrorKind::PermissionDenied.into());
        assert!(me == 0 || denied.causes.iter().any(|cause| cause.contains("belongs to root")), "{denied}");
    }

    #[test]
    fn only_one_may_stand_above_and_one_that_ends_is_waited_for() {
        let at = tempfile::tempdir().expect("a folder");
        let folders = folders(at.path(), "one");
        let first = front_lock(&folders).expect("nobody else");
        let door = std::os::unix::net::UnixListener::bind(folders.api_socket()).expect("bound");
        let begun = Instant::now();
        assert_eq!(front_lock(&folders).expect_err("it answers").code, ALREADY_UP);
        assert!(begun.elapsed() < ENDS_WITHIN, "nobody waits for one that is here to stay");
        // It has said its last word.
        drop(door);
        let next = std::thread::spawn(move || front_lock(&folders).map(drop));
        drop(first);
        assert_eq!(next.join().expect("no panic"), Ok(()));
    }
}
