//! Shared paths: what outlives releases stands in the shared folder, and each release has a link to it at its place.

use std::{fs, io, path::Path};

use rustix::fs::{AtFlags, FileType};

use super::{
    UnpackError,
    paths::{Inside, inside},
    tree::{Tree, joined},
};

/// Links every shared path into the tree. What the archive holds at such a path is the first release's seed if the
/// shared folder has nothing there yet, and is left out otherwise.
pub(super) fn link_all(tree: &Tree, root: &Path, shared: &Path, links: &[String]) -> Result<(), UnpackError> {
    links.iter().try_for_each(|link| {
        let path = inside(link.as_bytes(), 1024)?;
        if path.is_empty() {
            return Err(UnpackError::BadPath { path: link.clone() });
        }
        link_one(tree, root, shared, &path)
    })
}

fn link_one(tree: &Tree, root: &Path, shared: &Path, path: &Inside) -> Result<(), UnpackError> {
    let failed = |source: io::Error| UnpackError::Write { path: joined(path), source };
    let outer = path.iter().fold(shared.to_owned(), |outer, name| outer.join(name));
    let found = tree.kind(path)?;
    let seed = matches!(found, Some(FileType::RegularFile | FileType::Directory));
    let missing = fs::symlink_metadata(&outer).is_err();
    if missing && let Some(parent) = outer.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let (folder, name) = tree.parent(path)?;
    match (seed, missing) {
        (true, true) => {
            rustix::fs::renameat(&folder, name, rustix::fs::CWD, &outer).map_err(|e| failed(e.into()))?;
        }
        (false, true) => fs::create_dir(&outer).map_err(failed)?,
        (_, false) => {}
    }
    // The parents were just walked without following a link, and nobody else writes here.
    let inner = path.iter().fold(root.to_owned(), |inner, name| inner.join(name));
    match tree.kind(path)? {
        None => {}
        Some(FileType::Directory) => fs::remove_dir_all(&inner).map_err(failed)?,
        Some(_) => rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(|e| failed(e.into()))?,
    }
    rustix::fs::symlinkat(&outer, &folder, name).map_err(|e| failed(e.into()))
}
