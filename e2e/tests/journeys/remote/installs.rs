//! `mainstay --host HOST install`: what is sent, and what is refused before anything is. That it installs is shown in a guest, by a
//! machine that may be changed.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use testkit::{Mainstay, Sshd, binaries};

use super::Desk;

/// A file that begins as an executable of this machine does, with the number of another machine where one is given (elf(5)).
fn beginning(folder: &Path, name: &str, machine: Option<u16>) -> PathBuf {
    let mut bytes = fs::read(binaries::path("mainstay")).expect("built");
    bytes.truncate(4096);
    if let Some(machine) = machine {
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    }
    let path = folder.join(name);
    fs::write(&path, bytes).expect("own folder");
    path
}

#[test]
fn only_a_binary_that_runs_there_is_installed_and_nothing_of_it_stays() {
    let mut mainstay = Mainstay::start();
    let taken = mainstay.folder().join("taken");
    fs::create_dir(&taken).expect("own folder");
    let mut sshd = Sshd::start_with(&format!("SetEnv TMPDIR={}", taken.display()));
    let desk = Desk::new(&mainstay, &sshd, "ana", sshd.address());
    let here = mainstay.folder().to_owned();
    let is_empty = || fs::read_dir(&taken).expect("own folder").next().is_none();
    let install = |binary: &Path| {
        // Never without `--dry-run`: the machine there is the one that runs the tests.
        desk.run(&here, &["install", "--dry-run", "--binary", &binary.display().to_string()])
    };
    let refused = |binary: &Path, code: &str| {
        let said = install(binary).expect_code(1);
        assert!(said.err.contains(&format!("[{code}]")) && said.err.contains("help:"), "{code}:\n{said}");
        assert!(is_empty(), "{code}: something was left there");
    };
    refused(&here.join("none"), "no-binary");
    let other = if ARCH == "x86_64" { 183 } else { 62 };
    refused(&beginning(&here, "other", Some(other)), "other-architecture");
    refused(&beginning(&here, "strange", Some(8)), "other-architecture");
    refused(&beginning(&here, "broken", None), "not-runnable-there");

    let said = install(&binaries::path("mainstay"));
    assert!(said.out.contains(&format!("is a {ARCH} Linux; it gets ")), "{said}");
    // What the one that was sent says there: this machine may have no systemd.
    match Path::new("/run/systemd/system").is_dir() {
        true => assert!(said.expect_code(0).out.contains("othing was changed")),
        false => assert!(said.expect_code(1).err.contains("[no-systemd]")),
    }
    assert!(is_empty(), "what was sent is removed");

    sshd.stop();
    refused(&binaries::path("mainstay"), "host-refused");
    mainstay.down();
}
