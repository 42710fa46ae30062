//! The names of the files below `<run>`.

use std::path::{Path, PathBuf};

use model::ProcessId;

/// `<run>/i`: one folder a process.
pub(crate) fn all(run: &Path) -> PathBuf {
    run.join("i")
}

pub(crate) fn of(run: &Path, id: ProcessId) -> PathBuf {
    all(run).join(id.to_string())
}

pub(crate) fn spec(dir: &Path) -> PathBuf {
    dir.join("spec.json")
}

pub(crate) fn exit(dir: &Path) -> PathBuf {
    dir.join("exit.json")
}

/// flock'ed by the shim as long as it lives.
pub(crate) fn lock(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// What the shim itself has to complain of; usually empty.
pub(crate) fn shim_err(dir: &Path) -> PathBuf {
    dir.join("shim.err")
}

/// The app's `NOTIFY_SOCKET`.
pub(crate) fn notify(dir: &Path) -> PathBuf {
    dir.join("notify")
}

/// The folder of the app's own socket.
pub(crate) fn socket_dir(dir: &Path) -> PathBuf {
    dir.join("s")
}

pub(crate) fn socket(dir: &Path) -> PathBuf {
    socket_dir(dir).join("http")
}

/// The kernel's limit of a unix socket's path, without the NUL.
pub(crate) const SOCKET_PATH_MAX: usize = 107;
