//! What is packed, and that the same files give the same bytes.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use model::manifest::Source;
use sha2::{Digest as _, Sha256};

use clap::Parser as _;

use super::{Packed, pack};
use crate::{cli::Cli, session::Session};

fn quiet() -> Session {
    Session::new(&Cli::parse_from(["mainstay", "--json", "--data", "/nowhere", "version"]).globals).unwrap()
}

fn packed(folder: &Path) -> Packed {
    pack(folder, &Source::Dir(".".to_owned()), &quiet()).unwrap()
}

fn sample(folder: &Path) {
    fs::create_dir_all(folder.join("b/deep")).unwrap();
    fs::create_dir_all(folder.join(".git")).unwrap();
    fs::write(folder.join(".git/HEAD"), "ref").unwrap();
    fs::write(folder.join("b/deep/file"), "deep").unwrap();
    fs::write(folder.join("a.txt"), "first").unwrap();
    fs::write(folder.join(".env.example"), "hidden").unwrap();
    fs::write(folder.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("run.sh"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::set_permissions(folder.join("a.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.join("debug.log"), "noise").unwrap();
    fs::write(folder.join(".gitignore"), "b/\n").unwrap();
    fs::write(folder.join(".mainstayignore"), "*.log\n").unwrap();
    std::os::unix::fs::symlink("a.txt", folder.join("link")).unwrap();
}

/// `mode name` of each entry, in order.
fn listed(packed: &Packed) -> Vec<String> {
    let bytes = zstd::decode_all(fs::File::open(packed.path()).unwrap()).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        assert_eq!(entry.header().uid().unwrap(), 0);
        format!("{:o} {}", entry.header().mode().unwrap(), entry.path().unwrap().display())
    });
    entries.collect()
}

#[test]
fn everything_is_packed_but_git_and_what_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    assert_eq!(
        listed(&packed(dir.path())),
        [
            "644 .env.example",
            "644 .gitignore",
            "644 a.txt",
            "755 b/",
            "755 b/deep/",
            "644 b/deep/file",
            "777 link",
            "755 run.sh",
        ]
        .map(|line| line.trim_end_matches('/').to_owned())
    );
}

#[test]
fn the_same_files_give_the_same_bytes_and_the_digest_is_theirs() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(one.path());
    sample(two.path());
    let (first, second) = (packed(one.path()), packed(two.path()));
    assert_eq!(first.artifact, second.artifact);
    let mut bytes = Vec::new();
    fs::File::open(first.path()).unwrap().read_to_end(&mut bytes).unwrap();
    let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(first.artifact.digest, format!("sha256:{hex}"));
    assert_eq!(first.artifact.bytes, bytes.len() as u64);
    fs::write(two.path().join("a.txt"), "other").unwrap();
    assert_ne!(packed(two.path()).artifact, first.artifact);
}

#[test]
fn a_packed_folder_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    // Without a name it goes with whoever holds it open, however that one ends.
    assert_eq!(fs::metadata(packed(dir.path()).path()).unwrap().nlink(), 0);
}

#[test]
fn a_link_that_leaves_the_folder_is_refused() {
    for target in ["/etc/passwd", "../outside", "b/../../outside"] {
        let dir = tempfile::tempdir().unwrap();
        sample(dir.path());
        std::os::unix::fs::symlink(target, dir.path().join("bad")).unwrap();
        let error = pack(dir.path(), &Source::Dir(".".to_owned()), &quiet()).unwrap_err();
        assert_eq!(error.code, "link-leaves-folder", "{target}");
    }
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    std::os::unix::fs::symlink("../a.txt", dir.path().join("b/up")).unwrap();
    packed(dir.path());
}

#[test]
fn a_socket_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("app.sock")).unwrap();
    let error = pack(dir.path(), &Source::Dir(".".to_owned()), &quiet()).unwrap_err();
    assert!(error.help.unwrap().contains(".mainstayignore"));
}

#[test]
fn an_archive_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.tar"), "not even a tar").unwrap();
    let taken = pack(dir.path(), &Source::Artifact("app.tar".to_owned()), &quiet()).unwrap();
    assert_eq!(taken.artifact.bytes, 14);
    assert_eq!(taken.path(), dir.path().join("app.tar"));
    let error = pack(dir.path(), &Source::Artifact("missing.tar".to_owned()), &quiet()).unwrap_err();
    assert_eq!(error.code, "no-artifact");
}

#[test]
fn the_data_folder_of_this_mainstay_stays_out() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    fs::create_dir_all(dir.path().join("b/state/apps")).unwrap();
    let data = dir.path().join("b/state");
    let args = ["mainstay", "--json", "--data", data.to_str().unwrap(), "version"];
    let session = Session::new(&Cli::parse_from(args).globals).unwrap();
    let packed = pack(dir.path(), &Source::Dir(".".to_owned()), &session).unwrap();
    let names = listed(&packed);
    assert!(names.iter().any(|name| name.ends_with("b/deep/file")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("state")), "{names:?}");
}
