//! Where the processes of the machine's service live under systemd: in the cgroup of `mainstay.service`, which is not
//! the keeper's, so that whatever happens to the keeper's own unit ends none of them.
//!
//! `mainstay start`, which that unit runs, writes down where that is and knocks. A keeper that was there before waits
//! for the knock; one that is started again later finds the word. Begin with [`granted`].

use std::{
    io,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
};

use model::Explain;
use supervisor::store::Store;
use tokio::net::UnixListener;

/// Bound: longer than any path that the kernel takes.
const WORD_BYTES_MAX: usize = 4096;

fn word(run: &Path) -> PathBuf {
    run.join("workload")
}

fn door(run: &Path) -> PathBuf {
    run.join("start.sock")
}

/// The cgroup that `mainstay start` gave, now or to a keeper before this one; waits for it as long as it takes. The
/// parent is told that this keeper is ready: `mainstay.service` is started after that.
///
/// # Errors
/// The socket for the knock cannot be bound.
pub(crate) async fn granted(run: &Path, store: Option<&Store>) -> Result<PathBuf, Explain> {
    // The door before the look: a word that is given between the two would wait for ever.
    let knocks = open_door(run)?;
    let mut told = false;
    let group = loop {
        if let Some(group) = read(run) {
            break group;
        }
        if !std::mem::replace(&mut told, true) {
            tell_that_it_waits(store);
        }
        if let Err(error) = knocks.accept().await {
            return Err(not_bound(run, &error));
        }
    };
    // Nobody has to knock any more; the next keeper makes its own.
    let _ = std::fs::remove_file(door(run));
    Ok(group)
}

/// Gives this keeper and those after it the cgroup, until the machine or the unit ends.
///
/// # Errors
/// The run folder cannot be written, as where no keeper has made it.
pub(crate) fn grant(run: &Path, group: &Path) -> io::Result<()> {
    machine::fs::write_atomic(&word(run), group.as_os_str().as_encoded_bytes(), 0o600)?;
    match UnixStream::connect(door(run)) {
        // A keeper that waits for nothing has no door.
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Whatever is started would stay in the keeper's own group, and end with its unit.
pub(super) fn unusable(group: &Path) -> Explain {
    Explain::new("group-unusable", format!("cannot put processes into the cgroup {}", group.display()))
        .now("nothing was started")
        .help("mainstay.service needs `Delegate=yes` and cgroup v2: `mainstay install` writes it anew")
}

/// A word about a group that is gone is one about a unit that has ended.
fn read(run: &Path) -> Option<PathBuf> {
    let group = PathBuf::from(machine::fs::read_text(&word(run), WORD_BYTES_MAX).ok()?);
    machine::cgroup::procs(&group).is_ok().then_some(group)
}

fn open_door(run: &Path) -> Result<UnixListener, Explain> {
    let path = door(run);
    let bind = || {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    bind().map_err(|error| not_bound(run, &error))
}

fn not_bound(run: &Path, error: &io::Error) -> Explain {
    let path = door(run);
    Explain::new("start-not-heard", format!("cannot hear `mainstay start` at {}", path.display()))
        .because(error)
}

fn tell_that_it_waits(store: Option<&Store>) {
    tracing::info!("The keeper waits for mainstay.service, in whose cgroup the apps live.");
    let told = store.map(|store| store.status("waits for mainstay.service").and_then(|()| store.ready()));
    if let Some(Err(error)) = told {
        tracing::warn!(%error, "The parent could not be told that the keeper is ready.");
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use super::*;

    /// Looks once: it has then opened its door and found no word.
    async fn waits(keeper: std::pin::Pin<&mut impl Future>) -> bool {
        let mut keeper = keeper;
        std::future::poll_fn(|context| Poll::Ready(keeper.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn a_keeper_waits_for_the_word_and_the_next_one_finds_it() {
        let run = tempfile::tempdir().expect("a folder");
        let group = tempfile::tempdir().expect("a folder");
        std::fs::write(group.path().join("cgroup.procs"), "").expect("written");
        let mut keeper = pin!(granted(run.path(), None));
        assert!(waits(keeper.as_mut()).await);
        grant(run.path(), group.path()).expect("a door to knock at");
        assert_eq!(keeper.await.expect("heard"), group.path());
        assert_eq!(granted(run.path(), None).await.expect("written down"), group.path());
    }

    #[tokio::test]
    async fn a_word_about_a_unit_that_has_ended_is_none() {
        let run = tempfile::tempdir().expect("a folder");
        grant(run.path(), Path::new("/nonexistent/mainstay.service")).expect("nobody has to be there");
        assert!(waits(pin!(granted(run.path(), None))).await);
    }
}
