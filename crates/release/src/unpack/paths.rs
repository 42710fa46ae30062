//! Paths of an archive, judged before anything is touched. Pure.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use super::UnpackError;

/// Bound: links that are followed when a link is judged, as the kernel has it.
const HOPS_MAX: usize = 40;

/// A path inside the release: components only, none of them `.`, `..` or empty. The empty list is the release itself.
pub(super) type Inside = Vec<OsString>;

pub(super) fn shown(path: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(path).chars().take(200).collect();
    text.escape_debug().to_string()
}

/// # Errors
/// Absolute, `..`, too long, a component that no file system takes.
pub(super) fn inside(path: &[u8], path_bytes_max: usize) -> Result<Inside, UnpackError> {
    if path.len() > path_bytes_max {
        return Err(UnpackError::LongPath {
            path: shown(path).chars().take(80).collect(),
            max: path_bytes_max,
        });
    }
    if path.first() == Some(&b'/') {
        return Err(UnpackError::Outside { path: shown(path) });
    }
    let mut inside = Inside::new();
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(UnpackError::Outside { path: shown(path) }),
            name if name.len() > 255 || name.contains(&0) => {
                return Err(UnpackError::BadPath { path: shown(path) });
            }
            name => inside.push(OsString::from_vec(name.to_vec())),
        }
    }
    Ok(inside)
}

/// Links of the archive: where each stands and what it says.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_path: HashMap<Inside, Vec<u8>>,
}

impl Links {
    pub(super) fn add(&mut self, at: Inside, target: Vec<u8>) {
        self.by_path.insert(at, target);
    }

    /// Follows every link through all others, as the kernel would: none may ever step above the release.
    /// # Errors
    /// The first that does, or that goes in a circle through too many others.
    pub(super) fn check(&self) -> Result<(), UnpackError> {
        self.by_path.iter().try_for_each(|(at, target)| {
            if self.stays_inside(at) {
                return Ok(());
            }
            let path = at.iter().map(|c| c.to_string_lossy()).collect::<Vec<_>>().join("/");
            Err(UnpackError::LinkOutside { path, target: shown(target) })
        })
    }

    fn stays_inside(&self, link: &Inside) -> bool {
        let mut todo: Vec<OsString> = link.iter().rev().cloned().collect();
        let mut here = Inside::new();
        let mut hops = 0;
        while let Some(component) = todo.pop() {
            if component == ".." {
                if here.pop().is_none() {
                    return false;
                }
                continue;
            }
            here.push(component);
            let Some(target) = self.by_path.get(&here) else { continue };
            hops += 1;
            if hops > HOPS_MAX {
                // The kernel gives up as well (ELOOP): a circle leads nowhere.
                return true;
            }
            if target.first() == Some(&b'/') {
                return false;
            }
            here.pop();
            let components = target.split(|b| *b == b'/').filter(|c| !c.is_empty() && *c != b".");
            todo.extend(components.rev().map(|c| OsStr::from_bytes(c).to_owned()));
        }
        true
    }
}
