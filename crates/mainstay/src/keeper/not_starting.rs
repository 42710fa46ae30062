//! What a keeper that could not start leaves for those who ask: its parent tries again for ever, and nobody answers.

use std::{fs, os::unix::fs::chown, path::Path};

use api::not_starting::{NotStarting, beside};
use model::Explain;

use super::place::ALREADY_UP;
use crate::config::folders::{Folders, Kind, Surroundings};

/// Of the file: its group is that of the API's socket.
const MODE: u32 = 0o640;

/// Only where somebody will start the next one; what cannot be written stands in the parent's log alone.
pub(crate) fn tell(data: Option<&Path>, explain: &Explain) {
    let folders = Folders::to_start(data, &Surroundings::of_this_process());
    let front = std::env::var_os("NOTIFY_SOCKET").filter(|_| explain.code != ALREADY_UP);
    let Some(front) = front else { return };
    let file = beside(&folders.api_socket());
    let told = NotStarting::new(explain.clone(), front.into());
    let written = serde_json::to_vec(&told).map_err(std::io::Error::from);
    let written = written.and_then(|bytes| machine::fs::write_atomic(&file, &bytes, MODE));
    match (written, group(&folders)) {
        (Ok(()), Some(gid)) => drop(chown(&file, None, Some(gid))),
        (Ok(()), None) => {}
        (Err(error), _) => tracing::debug!(%error, file = %file.display(), "Clients are not told why."),
    }
}

/// This one has started.
pub(crate) fn clear(folders: &Folders) {
    // Mostly there is none.
    let _ = fs::remove_file(beside(&folders.api_socket()));
}

/// The service's API is its operators'; a plain user's is that user's.
pub(crate) fn group(folders: &Folders) -> Option<u32> {
    let service = folders.kind == Kind::Service && rustix::process::geteuid().is_root();
    service.then(|| machine::users::group(model::accounts::OPERATORS).ok().flatten()).flatten()
}
