//! Archives as strangers would build them, and paths by the thousand.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
};

use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::*;

/// Builds headers by hand: the library would refuse to write what is tested here.
fn raw_entry(archive: &mut Vec<u8>, path: &str, kind: EntryType, mode: u32, link: &str, data: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(data.len() as u64);
    header.set_cksum();
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(data);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

fn ended(mut archive: Vec<u8>) -> Vec<u8> {
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn one(path: &str, kind: EntryType, mode: u32, link: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    raw_entry(&mut archive, path, kind, mode, link, b"");
    ended(archive)
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        fs::create_dir(dir.path().join("shared")).unwrap();
        fs::write(dir.path().join("outside"), "untouched").unwrap();
        Self { dir }
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    fn unpack_with(&self, archive: &[u8], links: &[&str], caps: Caps) -> Result<Unpacked, UnpackError> {
        let links = links.iter().map(|l| (*l).to_owned()).collect();
        let shared = self.dir.path().join("shared");
        unpack(&Arguments { into: self.files(), shared, links, caps }, archive)
    }

    fn unpack(&self, archive: &[u8]) -> Result<Unpacked, UnpackError> {
        self.unpack_with(archive, &[], Caps::default())
    }
}

fn plain() -> Vec<u8> {
    let mut archive = Vec::new();
    raw_entry(&mut archive, "bin/", EntryType::Directory, 0o755, "", b"");
    raw_entry(&mut archive, "bin/serve", EntryType::Regular, 0o755, "", b"#!/bin/sh\n");
    raw_entry(&mut archive, "bin/again", EntryType::Link, 0o755, "bin/serve", b"");
    raw_entry(&mut archive, "latest", EntryType::Symlink, 0o777, "bin/../bin/serve", b"");
    ended(archive)
}

#[test]
fn a_plain_archive_is_unpacked_in_all_three_forms() {
    let gzip = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&plain()).unwrap();
        encoder.finish().unwrap()
    };
    let zst = zstd::encode_all(plain().as_slice(), 1).unwrap();
    for archive in [plain(), gzip(), zst] {
        let place = Place::new();
        assert_eq!(place.unpack(&archive).unwrap(), Unpacked { bytes: 10, entries: 4 });
        assert_eq!(fs::read_to_string(place.files().join("latest")).unwrap(), "#!/bin/sh\n");
        let mode = fs::metadata(place.files().join("bin/again")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

#[test]
fn what_reaches_outside_or_is_no_plain_file_is_refused() {
    use EntryType as E;
    let hostile = [
        ("dot dot", one("../outside", E::Regular, 0o644, "")),
        ("dot dot inside", one("a/../../outside", E::Regular, 0o644, "")),
        ("absolute", one("/tmp/mainstay-hostile", E::Regular, 0o644, "")),
        ("block device", one("disk", E::Block, 0o644, "")),
        ("character device", one("null", E::Char, 0o644, "")),
        ("fifo", one("pipe", E::Fifo, 0o644, "")),
        ("setuid", one("su", E::Regular, 0o4755, "")),
        ("setgid", one("sg", E::Regular, 0o2755, "")),
        ("absolute link", one("etc", E::Symlink, 0o777, "/etc")),
        ("link out", one("a/up", E::Symlink, 0o777, "../../outside")),
        ("hard link out", one("hard", E::Link, 0o644, "../outside")),
        ("hard link to nothing", one("hard", E::Link, 0o644, "missing")),
        ("empty", ended(Vec::new())),
        ("no archive", b"PK\x03\x04 this is a zip".to_vec()),
    ];
    for (name, archive) in hostile {
        let place = Place::new();
        let error = place.unpack(&archive);
        assert!(error.is_err(), "{name} was taken: {error:?}");
        assert_eq!(fs::read_to_string(place.dir.path().join("outside")).unwrap(), "untouched", "{name}");
    }
    assert!(!Path::new("/tmp/mainstay-hostile").exists());
}

#[test]
fn nothing_is_written_through_a_link_of_the_archive() {
    let place = Place::new();
    let mut archive = Vec::new();
    raw_entry(&mut archive, "d/", EntryType::Directory, 0o755, "", b"");
    raw_entry(&mut archive, "way", EntryType::Symlink, 0o777, "d", b"");
    raw_entry(&mut archive, "way/file", EntryType::Regular, 0o644, "", b"x");
    assert!(matches!(place.unpack(&ended(archive)), Err(UnpackError::ThroughLink { .. })));
    assert!(!place.files().join("d/file").exists());
}

#[test]
fn a_link_that_was_there_before_is_not_followed_either() {
    let place = Place::new();
    symlink(place.dir.path(), place.files().join("way")).unwrap();
    let archive = one("way/outside", EntryType::Regular, 0o644, "");
    assert!(matches!(place.unpack(&archive), Err(UnpackError::ThroughLink { .. })));
    assert_eq!(fs::read_to_string(place.dir.path().join("outside")).unwrap(), "untouched");
}

#[test]
fn a_duplicate_over_a_link_is_refused_and_over_a_file_replaces_it() {
    let mut archive = Vec::new();
    raw_entry(&mut archive, "f", EntryType::Regular, 0o644, "", b"old");
    raw_entry(&mut archive, "f", EntryType::Regular, 0o644, "", b"new");
    let place = Place::new();
    place.unpack(&ended(archive.clone())).unwrap();
    assert_eq!(fs::read_to_string(place.files().join("f")).unwrap(), "new");
    raw_entry(&mut archive, "l", EntryType::Symlink, 0o777, "f", b"");
    raw_entry(&mut archive, "l", EntryType::Regular, 0o644, "", b"over the link");
    let place = Place::new();
    assert!(matches!(place.unpack(&ended(archive)), Err(UnpackError::Twice { .. })));
    assert_eq!(fs::read_to_string(place.files().join("f")).unwrap(), "new");
}

#[test]
fn a_chain_of_links_that_climbs_out_is_refused() {
    let mut archive = Vec::new();
    raw_entry(&mut archive, "a/b/c/", EntryType::Directory, 0o755, "", b"");
    // Each stays inside if read by itself; together they climb.
    raw_entry(&mut archive, "a/b/c/top", EntryType::Symlink, 0o777, "../../..", b"");
    raw_entry(&mut archive, "x", EntryType::Symlink, 0o777, "a/b/c/top/../outside", b"");
    assert!(matches!(Place::new().unpack(&ended(archive)), Err(UnpackError::LinkOutside { .. })));
}

#[test]
fn the_reserve_of_the_disk_stays_however_an_archive_grows() {
    const MIB: u64 = 1 << 20;
    let with = |reserve_bytes| Caps { reserve_bytes, ..Caps::default() };
    let free = std::cell::Cell::new(64 * MIB);
    let look = || Ok(free.get());
    let mut room = extract::Room::new(&look, with(32 * MIB));
    let refused = loop {
        if let Err(refused) = room.take(MIB) {
            break refused;
        }
        free.set(free.get() - MIB);
    };
    assert!((32 * MIB..=36 * MIB).contains(&free.get()), "{} bytes are left", free.get());
    assert!(matches!(refused, UnpackError::Reserve { .. }), "{refused:?}");
    assert_eq!(refused.explain().code, "disk-space");
}

#[test]
fn an_archive_is_not_begun_where_the_reserve_is_reached() {
    let place = Place::new();
    let with = |reserve_bytes| Caps { reserve_bytes, ..Caps::default() };
    let refused = place.unpack_with(&plain(), &[], with(u64::MAX >> 1)).unwrap_err();
    assert!(matches!(refused, UnpackError::Reserve { .. }), "{refused:?}");
    assert_eq!(fs::read_dir(place.files()).unwrap().count(), 0);
    let arguments = arguments(Path::new("/a"), Path::new("/b"), &[], with(7));
    let parsed = Arguments::parse(arguments.into_iter().skip(1).map(Into::into)).unwrap();
    assert_eq!(parsed.caps, with(7));
    Place::new().unpack_with(&plain(), &[], with(1)).unwrap();
}

#[test]
fn a_file_that_another_lies_below_is_told_as_what_it_is() {
    let mut archive = Vec::new();
    raw_entry(&mut archive, "x", EntryType::Regular, 0o644, "", b"a");
    raw_entry(&mut archive, "x/y", EntryType::Regular, 0o644, "", b"b");
    let told = Place::new().unpack(&ended(archive)).unwrap_err().to_string();
    assert!(told.contains("`x` is a link or a file"), "{told}");
}

#[test]
fn caps_hold_whatever_the_headers_say() {
    let mut archive = Vec::new();
    raw_entry(&mut archive, "a", EntryType::Regular, 0o644, "", &[7; 4000]);
    raw_entry(&mut archive, "b", EntryType::Regular, 0o644, "", &[7; 4000]);
    let archive = ended(archive);
    let caps = |bytes, entries, path_bytes| Caps { bytes, entries, path_bytes, reserve_bytes: 0 };
    let unpacked = |caps| Place::new().unpack_with(&archive, &[], caps);
    assert!(unpacked(caps(8000, 2, 1)).is_ok());
    assert!(matches!(unpacked(caps(7999, 2, 1)), Err(UnpackError::TooBig { .. })));
    assert!(matches!(unpacked(caps(8000, 1, 1)), Err(UnpackError::TooMany { .. })));
    assert!(matches!(unpacked(caps(8000, 2, 0)), Err(UnpackError::LongPath { .. })));
}

#[test]
fn a_truncated_archive_is_refused_in_every_form() {
    let mut archive = Vec::new();
    raw_entry(&mut archive, "big", EntryType::Regular, 0o644, "", &[3; 9000]);
    let archive = ended(archive);
    let zst = zstd::encode_all(archive.as_slice(), 1).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive).unwrap();
    let gzip = gzip.finish().unwrap();
    for whole in [&archive[..6000], &zst[..zst.len() - 3], &gzip[..gzip.len() - 3]] {
        assert!(matches!(Place::new().unpack(whole), Err(UnpackError::Damaged { .. })));
    }
}

#[test]
fn shared_paths_are_seeded_once_and_linked() {
    let place = Place::new();
    let mut archive = Vec::new();
    raw_entry(&mut archive, "data/app.db", EntryType::Regular, 0o644, "", b"seed");
    let archive = ended(archive);
    place.unpack_with(&archive, &["data", "var/uploads"], Caps::default()).unwrap();
    let shared = place.dir.path().join("shared");
    assert_eq!(fs::read_link(place.files().join("data")).unwrap(), shared.join("data"));
    assert!(shared.join("var/uploads").is_dir());
    fs::write(place.files().join("data/app.db"), "lived").unwrap();
    // The next release brings the same seed; what lives in the shared folder stays.
    fs::remove_dir_all(place.files()).unwrap();
    fs::create_dir(place.files()).unwrap();
    place.unpack_with(&archive, &["data", "var/uploads"], Caps::default()).unwrap();
    assert_eq!(fs::read_to_string(place.files().join("data/app.db")).unwrap(), "lived");
}

#[test]
fn a_normal_archive_of_the_library_with_long_names_is_taken() {
    let mut builder = Builder::new(Vec::new());
    let long = format!("{}/file.txt", ["a-rather-long-folder-name"; 12].join("/"));
    let mut header = Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, &long, &b"ok"[..]).unwrap();
    let place = Place::new();
    place.unpack(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(fs::read_to_string(place.files().join(long)).unwrap(), "ok");
}

#[test]
fn sealed_files_are_read_only_and_digested_and_can_be_removed() {
    let place = Place::new();
    place.unpack(&plain()).unwrap();
    let sealed = crate::seal::seal(&place.files()).unwrap();
    assert_eq!((sealed.files.len(), sealed.bytes), (2, 20));
    let mode = fs::metadata(place.files().join("bin/serve")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o555);
    crate::seal::remove(&place.files()).unwrap();
    assert!(!place.files().exists());
}

proptest! {
    /// Whatever the bytes: an accepted path has only plain components and stays below the root.
    #[test]
    fn accepted_paths_stay_inside(path in proptest::collection::vec(prop_oneof![
        Just(b'/'), Just(b'.'), Just(b'a'), Just(0u8), any::<u8>()
    ], 0..40)) {
        if let Ok(inside) = paths::inside(&path, 64) {
            let joined = inside.iter().fold(PathBuf::from("/root"), |p, c| p.join(c));
            prop_assert!(joined.starts_with("/root"));
            prop_assert!(joined.components().all(|c| !matches!(c, std::path::Component::ParentDir)));
            prop_assert_eq!(joined.components().count(), inside.len() + 2);
        }
    }

    /// Links that pass the check do not lead out: the kernel is the judge.
    #[test]
    fn accepted_links_stay_inside(links in proptest::collection::vec(
        ("[abc](/[abc]){0,2}", "(\\.\\./|[abc]/){0,4}([abc]|\\.\\.)"), 1..6)
    ) {
        let place = Place::new();
        let mut archive = Vec::new();
        for (path, target) in &links {
            raw_entry(&mut archive, path, EntryType::Symlink, 0o777, target, b"");
        }
        if place.unpack(&ended(archive)).is_ok() {
            let root = fs::canonicalize(place.files()).unwrap();
            for (path, _) in &links {
                if let Ok(real) = fs::canonicalize(root.join(path)) {
                    prop_assert!(real.starts_with(&root), "{path} leads to {}", real.display());
                }
            }
        }
    }

    #[test]
    fn noise_is_never_unpacked_and_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let place = Place::new();
        let _ = place.unpack(&noise);
        prop_assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 3);
    }
}
