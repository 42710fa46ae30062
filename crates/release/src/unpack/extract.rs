//! The entries of a tar stream, one by one, into a tree.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
};

use model::room::round;
use tar::{Archive, Entry, EntryType};

use super::{
    Caps, UnpackError, Unpacked,
    paths::{Inside, Links, inside, shown},
    tree::{Tree, joined},
};

const SETUID_SETGID: u32 = 0o6000;
/// Bound: of what is written, between two looks at the room that is left.
const LOOK_EVERY_BYTES: u64 = 4 << 20;
/// What one more entry takes at least: a block.
const ENTRY_BYTES: u64 = 4096;

pub(super) fn extract(tree: &Tree, stream: impl Read, caps: Caps) -> Result<Unpacked, UnpackError> {
    let damaged = |source| UnpackError::Damaged { source };
    let mut archive = Archive::new(stream);
    let (mut done, mut links) = (Unpacked::default(), Links::default());
    let free = || tree.bytes_free();
    let mut room = Room::new(&free, caps);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        done.entries += 1;
        if done.entries > caps.entries {
            return Err(UnpackError::TooMany { max: caps.entries });
        }
        room.take(ENTRY_BYTES)?;
        place(tree, &mut entry, &mut room, &mut done, &mut links)?;
    }
    // A compressed stream has a checksum at its end: read to it.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    if done.entries == 0 {
        return Err(UnpackError::Empty);
    }
    links.check()?;
    Ok(done)
}

/// The room on the disk, looked at before the first byte and again and again: how an archive grows is its sender's to say.
pub(super) struct Room<'t> {
    free: &'t dyn Fn() -> Result<u64, UnpackError>,
    caps: Caps,
    /// Until the next look.
    left: u64,
}

impl<'t> Room<'t> {
    pub(super) fn new(free: &'t dyn Fn() -> Result<u64, UnpackError>, caps: Caps) -> Self {
        Self { free, caps, left: 0 }
    }

    /// Before so many bytes are written, [`LOOK_EVERY_BYTES`] at most.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), UnpackError> {
        if self.left < bytes {
            let wanted = self.caps.reserve_bytes.saturating_add(LOOK_EVERY_BYTES);
            if self.caps.reserve_bytes > 0 && (self.free)()? < wanted {
                return Err(UnpackError::Reserve { reserve: round(self.caps.reserve_bytes) });
            }
            self.left = LOOK_EVERY_BYTES;
        }
        self.left = self.left.saturating_sub(bytes);
        Ok(())
    }
}

fn place(
    tree: &Tree,
    entry: &mut Entry<'_, impl Read>,
    room: &mut Room<'_>,
    done: &mut Unpacked,
    links: &mut Links,
) -> Result<(), UnpackError> {
    let caps = room.caps;
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let raw = entry.path_bytes().into_owned();
    let path = inside(&raw, caps.path_bytes)?;
    let mode = entry.header().mode().map_err(|source| UnpackError::Damaged { source })?;
    if mode & SETUID_SETGID != 0 {
        return Err(UnpackError::SetId { path: shown(&raw) });
    }
    match kind {
        EntryType::Directory => folder(tree, &path),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            // Old archives mark a folder by a slash alone.
            if raw.ends_with(b"/") {
                return folder(tree, &path);
            }
            let mut file = tree.create(&path, mode)?;
            copy(entry, &mut file, &path, room, &mut done.bytes)
        }
        EntryType::Symlink | EntryType::Link => {
            let target = entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
            link(tree, kind, path, &target, caps, links)
        }
        EntryType::Block => Err(UnpackError::Kind { path: shown(&raw), kind: "block device" }),
        EntryType::Char => Err(UnpackError::Kind { path: shown(&raw), kind: "character device" }),
        EntryType::Fifo => Err(UnpackError::Kind { path: shown(&raw), kind: "named pipe" }),
        _ => Err(UnpackError::Kind { path: shown(&raw), kind: "thing of an unknown kind" }),
    }
}

fn folder(tree: &Tree, path: &Inside) -> Result<(), UnpackError> {
    tree.folder(path).map(drop)
}

fn link(
    tree: &Tree,
    kind: EntryType,
    path: Inside,
    target: &[u8],
    caps: Caps,
    links: &mut Links,
) -> Result<(), UnpackError> {
    if target.is_empty() || target.contains(&0) || target.len() > caps.path_bytes {
        return Err(UnpackError::BadPath { path: shown(target) });
    }
    if kind == EntryType::Link {
        // Its target is a path of the archive, from the release's root.
        let outside = |_| UnpackError::LinkOutside { path: joined(&path), target: shown(target) };
        let target = inside(target, caps.path_bytes).map_err(outside)?;
        return tree.hardlink(&path, &target);
    }
    if target.first() == Some(&b'/') {
        return Err(UnpackError::LinkOutside { path: joined(&path), target: shown(target) });
    }
    tree.symlink(&path, OsStr::from_bytes(target))?;
    links.add(path, target.to_vec());
    Ok(())
}

/// Copies one file and counts: what the header claims is not believed.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    path: &Inside,
    room: &mut Room<'_>,
    bytes: &mut u64,
) -> Result<(), UnpackError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(UnpackError::Damaged { source }),
        };
        *bytes += n as u64;
        if *bytes > room.caps.bytes {
            return Err(UnpackError::TooBig { max: room.caps.bytes });
        }
        room.take(n as u64)?;
        let chunk = buffer.get(..n).unwrap_or_default();
        to.write_all(chunk).map_err(|source| UnpackError::Write { path: joined(path), source })?;
    }
}
