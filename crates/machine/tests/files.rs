//! Files, locks, memory files, pidfds and accounts, as claims.

use std::{
    fs,
    io::Write as _,
    os::{fd::AsFd, unix::fs::PermissionsExt, unix::net::UnixStream},
    process::{Command, Stdio},
};

use machine::{fds, fs as durable, lock, memfd, pidfd, users};

#[test]
fn a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_beside_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("state.json");
    for text in ["one, which is longer", "two"] {
        durable::write_atomic(&path, text.as_bytes(), 0o640).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), text);
    }
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
}

#[test]
fn a_file_for_another_is_given_away_and_no_file_that_its_folder_links_to() {
    use std::os::unix::fs::{MetadataExt as _, symlink};
    // Only root can give a file away; a plain user gives it to itself.
    let nobody = users::by_name("nobody").expect("NSS").expect("there");
    let owner =
        if users::own_uid() == 0 { (nobody.uid, nobody.gid) } else { (users::own_uid(), users::own_gid()) };
    let dir = tempfile::tempdir().expect("a folder");
    let (victim, path) = (dir.path().join("victim"), dir.path().join("settings.json"));
    fs::write(&victim, "mine").expect("written");
    for link in ["settings.json", "settings.json.new"] {
        symlink(&victim, dir.path().join(link)).expect("linked");
        durable::write_atomic_for(Some(owner), &path, b"theirs", 0o600).expect("written");
        let written = fs::symlink_metadata(&path).expect("there");
        assert_eq!((written.uid(), written.gid(), written.mode() & 0o7777), (owner.0, owner.1, 0o600));
        assert_eq!(fs::metadata(&victim).expect("there").uid(), users::own_uid());
        assert_eq!(fs::read_to_string(&victim).expect("text"), "mine");
    }
}

#[test]
fn a_temp_file_of_a_crash_is_no_obstacle_and_a_failed_write_leaves_the_old_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("state.json");
    fs::write(dir.path().join("state.json.new"), "half").expect("written");
    durable::write_atomic(&path, b"whole", 0o600).expect("written");
    assert_eq!(fs::read_to_string(&path).expect("text"), "whole");
    fs::create_dir(dir.path().join("state.json.new")).expect("made");
    assert!(durable::write_atomic(&path, b"other", 0o600).is_err());
    assert_eq!(fs::read_to_string(&path).expect("text"), "whole");
}

#[test]
fn a_file_lock_is_one_holders_until_it_lets_go() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("lock");
    let held = lock::FileLock::try_acquire(&path).expect("opened").expect("free");
    assert!(lock::FileLock::try_acquire(&path).expect("opened").is_none());
    drop(held);
    assert!(lock::FileLock::try_acquire(&path).expect("opened").is_some());
}

#[test]
fn a_memory_file_cannot_change_once_it_is_sealed() {
    let fd = memfd::sealed("test", b"words").expect("made");
    let mut file = fs::File::from(fd.try_clone().expect("a copy"));
    assert!(file.write_all(b"more").is_err());
    assert!(file.set_len(0).is_err());
    assert_eq!(memfd::read_sealed(&fd).expect("read"), b"words");
    let open = tempfile::tempfile().expect("a file");
    assert!(memfd::read_sealed(&open).is_err(), "a file has no seals");
}

#[test]
fn descriptors_travel_with_their_bytes_and_the_peer_is_known() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (read, write) = std::io::pipe().expect("a pipe");
    fds::send(&ours, b"x", &[write.as_fd()]).expect("sent");
    drop(write);
    let mut buffer = [0; 8];
    let (count, mut got) = fds::receive(&theirs, &mut buffer).expect("received");
    assert_eq!((count, got.len()), (1, 1));
    let mut write = std::io::PipeWriter::from(got.remove(0));
    write.write_all(b"through").expect("written");
    drop(write);
    assert_eq!(std::io::read_to_string(read).expect("text"), "through");
    let peer = fds::peer(&ours).expect("known");
    assert_eq!((peer.pid.unsigned_abs(), peer.uid), (std::process::id(), users::own_uid()));
    assert!(fds::send(&ours, b"", &[]).is_err(), "nothing would carry the descriptors");
}

#[test]
fn a_pidfd_signals_its_process_and_none_after_it() {
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("it starts");
    let pidfd = pidfd::open(child.id().cast_signed()).expect("it lives");
    assert!(!pidfd::has_ended(&pidfd));
    pidfd::signal(&pidfd, 9).expect("sent");
    child.wait().expect("collected");
    assert!(pidfd::has_ended(&pidfd));
    // Its pid may be another's by now; the descriptor is not.
    pidfd::signal(&pidfd, 9).expect("no error, and nobody hit");
}

#[test]
fn accounts_are_found_by_name_and_uid() {
    let root = users::by_name("root").expect("NSS").expect("everywhere");
    assert_eq!((root.uid, users::by_uid(0).expect("NSS").map(|account| account.name)), (0, Some(root.name)));
    assert!(root.groups.contains(&root.gid));
    assert_eq!(users::by_name("no-such-account-here").expect("NSS"), None);
    assert_eq!(users::group("no-such-group-here").expect("NSS"), None);
}

#[test]
fn disk_space_adds_up() {
    let space = durable::disk_space(std::path::Path::new("/")).expect("known");
    assert!(space.bytes_total > 0 && space.bytes_free <= space.bytes_total);
    assert!(space.inodes_free <= space.inodes_total);
}

#[test]
fn folders_are_made_once_and_all_the_way() {
    let root = tempfile::tempdir().expect("a folder");
    let deep = root.path().join("a/b/c");
    durable::make_dirs_durably(&deep).expect("made");
    durable::make_dirs_durably(&deep).expect("there already");
    assert!(deep.is_dir());
    std::fs::write(root.path().join("file"), b"").expect("written");
    assert!(durable::make_dirs_durably(&root.path().join("file/below")).is_err(), "a file is no folder");
}
