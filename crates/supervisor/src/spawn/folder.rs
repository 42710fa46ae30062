//! `<run>/i/<ulid>/`: the folder of one process, which the app can pass through and owns nothing in but `s`.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use machine::failpoint;

use super::{Inner, SpawnError};
use crate::{Order, Spec, dirs};

pub(super) fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> SpawnError {
    let doing = doing.into();
    move |source| SpawnError::Io { doing, source }
}

/// Where a process's temporary files go.
pub(crate) fn tmp(inner: &Inner, id: model::ProcessId) -> PathBuf {
    match &inner.settings.tmp_dir {
        Some(dir) => dir.join(id.to_string()),
        None => dirs::of(&inner.settings.run_dir, id).join("t"),
    }
}

/// Makes the folder, `s` for the app's socket (its own, the edge's group), and its private temporary one.
pub(super) fn make(inner: &Inner, order: &Order, dir: &Path, tmp: &Path) -> Result<(), SpawnError> {
    let failed = |path: &Path| io_error(format!("make {}", path.display()));
    machine::fs::make_dir(dir, 0o711).map_err(failed(dir))?;
    failpoint::hit("spawn-folder");
    let sockets = dirs::socket_dir(dir);
    for (path, mode) in [(sockets.as_path(), 0o750), (tmp, 0o700)] {
        machine::fs::make_dir(path, mode).map_err(failed(path))?;
        if let Some(user) = &order.user {
            chown(path, Some(user.ids.uid), Some(user.ids.gid)).map_err(failed(path))?;
        }
    }
    if let Some(gid) = inner.settings.edge_gid {
        chown(&sockets, None, Some(gid)).map_err(failed(&sockets))?;
    }
    // After the chown, which takes the setgid bit away: sockets made in it belong to the edge's group.
    fs::set_permissions(&sockets, fs::Permissions::from_mode(0o2750)).map_err(failed(&sockets))
}

/// Durable before the shim reads it. Returns the digest of its bytes.
pub(super) fn write_spec(dir: &Path, spec: &Spec) -> Result<String, SpawnError> {
    let bytes = serde_json::to_vec(spec).map_err(|error| io_error("write spec.json")(error.into()))?;
    machine::fs::write_atomic(&dirs::spec(dir), &bytes, 0o600).map_err(io_error("write spec.json"))?;
    failpoint::hit("spawn-spec");
    Ok(crate::protocol::digest(&bytes))
}

/// Removes the temporary folders of processes that have no folder in the run folder: a reboot empties that one, not
/// these. Blocking.
pub(crate) fn remove_orphaned_tmp(inner: &Inner) {
    let Some(Ok(entries)) = inner.settings.tmp_dir.as_ref().map(fs::read_dir) else { return };
    for entry in entries.flatten() {
        // What has another name is not ours to remove.
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let orphaned = id.is_some_and(|id| !dirs::of(&inner.settings.run_dir, id).exists());
        if orphaned {
            remove_all(&entry.path());
        }
    }
}

/// Removes all that a process has left on disk and in the cgroup tree. Blocking; what is missing is no error.
pub(crate) fn remove(inner: &Inner, spec: &Spec) {
    if let Some(place) = &spec.cgroup {
        super::tree::remove(place);
    }
    for path in [tmp(inner, spec.id), dirs::of(&inner.settings.run_dir, spec.id)] {
        remove_all(&path);
    }
}

fn remove_all(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "what a process left behind could not be removed");
        }
        _ => {}
    }
}
