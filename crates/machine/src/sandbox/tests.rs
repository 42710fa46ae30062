use std::{
    io::Read as _,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use super::*;
use crate::child::{Child, Exec, Setup, c_string, spawn};

/// Runs a shell line within `walls`; what it wrote, and the child.
fn within(walls: Walls, line: &str) -> (String, Child) {
    let texts = |all: &[&str]| all.iter().map(|text| c_string(text).expect("no NUL")).collect::<Vec<_>>();
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut setup = Setup::new(Exec::Paths(texts(&["/bin/sh"])), texts(&["sh", "-c", line]), Vec::new());
    setup.fds = vec![(write.as_fd(), 1), (write.as_fd(), 2)];
    setup.no_new_privs = true;
    setup.walls = walls;
    let child = spawn(&setup).expect("it starts");
    drop(setup);
    drop(write);
    if let Some(refusals) = &child.refusals {
        answer_all(refusals);
    }
    let mut text = String::new();
    read.read_to_string(&mut text).expect("text");
    (text, child)
}

/// Until whoever could be refused has ended.
fn answer_all(refusals: &Refusals) -> Vec<i64> {
    let mut all = Vec::new();
    loop {
        let mut fds = [rustix::event::PollFd::new(refusals, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).expect("polled");
        match refusals.take() {
            Ok(refusal) => all.extend(refusal.map(|refusal| refusal.number)),
            Err(_) => return all,
        }
    }
}

fn open_to(read: &[&Path], write: &[&Path]) -> Files {
    let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect::<Vec<PathBuf>>();
    Files { read: owned(read), write: owned(write), ..Files::default() }
}

#[test]
fn files_that_are_not_named_are_closed_even_to_root() {
    assert!(landlock() >= RENAMES_BETWEEN_FOLDERS, "this machine's kernel cannot show it");
    let dir = tempfile::tempdir().expect("a folder");
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    for folder in [&own, &other] {
        std::fs::create_dir(folder).expect("made");
    }
    let line = format!(
        "echo a > {own}/a; echo b > {other}/b; mkdir {own}/c && mv {own}/a {own}/c/a && cat {own}/c/a",
        own = own.display(),
        other = other.display()
    );
    let walls =
        || Walls { files: files(&open_to(&[Path::new("/")], &[&own])).expect("made"), ..Walls::default() };
    let (text, _) = within(walls(), &line);
    assert!(text.contains("Permission denied") && text.ends_with("a\n"), "{text}");
    assert!(own.join("c/a").exists() && !other.join("b").exists());
    let (text, _) = within(Walls::default(), &line);
    assert!(other.join("b").exists(), "without walls it is written: {text}");
}

#[test]
fn what_may_not_be_read_is_not_executed_either() {
    let usual = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"].map(Path::new);
    let walls = Walls { files: files(&open_to(&usual, &[])).expect("made"), ..Walls::default() };
    let (text, _) = within(walls, "cat /etc/passwd; ls /proc");
    assert_eq!(text.matches("Permission denied").count(), 2, "{text}");
}

#[test]
fn signals_stay_within_where_the_kernel_can_hold_them() {
    let mut bystander = std::process::Command::new("/bin/cat");
    let mut bystander = bystander.stdin(std::process::Stdio::piped()).spawn().expect("it starts");
    let everything = open_to(&[], &[Path::new("/")]);
    let asked = Files { signals_within: true, ..everything };
    let walls = Walls { files: files(&asked).expect("made"), ..Walls::default() };
    let (text, _) =
        within(walls, &format!("kill -0 {} && echo reached; kill -0 $$ && echo own", bystander.id()));
    bystander.kill().expect("killed");
    bystander.wait().expect("collected");
    assert!(text.contains("own"), "{text}");
    assert_eq!(text.contains("reached"), landlock() < SCOPES, "{text}");
}

fn call(number: i64) -> Call {
    Call { number, with: None }
}

#[test]
fn a_refused_call_fails_and_is_told() {
    assert!(seccomp() && seccomp_tells(), "this machine's kernel cannot show it");
    let refused = filter(&[call(libc::SYS_mkdir), call(libc::SYS_mkdirat)], libc::EPERM).expect("a program");
    let dir = tempfile::tempdir().expect("a folder");
    let made = dir.path().join("made");
    let walls = Walls { refused: Some(refused), ..Walls::default() };
    let texts = |all: &[&str]| all.iter().map(|text| c_string(text).expect("no NUL")).collect::<Vec<_>>();
    let path = made.display().to_string();
    let mut setup = Setup::new(Exec::Paths(texts(&["/bin/mkdir"])), texts(&["mkdir", &path]), Vec::new());
    setup.no_new_privs = true;
    setup.walls = walls;
    let child = spawn(&setup).expect("it starts");
    let told = answer_all(child.refusals.as_ref().expect("a listener"));
    assert!(!made.exists());
    assert!(told == [libc::SYS_mkdir] || told == [libc::SYS_mkdirat], "{told:?}");
}

#[test]
fn a_call_is_refused_by_a_bit_of_its_argument_alone() {
    let refused = || {
        let with = Some(AnyBit { argument: 0, bits: libc::CLONE_NEWUTS.unsigned_abs() });
        filter(&[Call { number: libc::SYS_unshare, with }], libc::EPERM).expect("a program")
    };
    let with = |line: &str| within(Walls { refused: Some(refused()), ..Walls::default() }, line).0;
    let text = with("unshare --uts true || echo no; unshare --files true 2>&1; echo end");
    assert!(text.contains("no\n") && text.ends_with("end\n"), "{text}");
    // The library's other way to it.
    let text = with("unshare --ipc true && echo yes || echo root only");
    let wanted = if crate::users::own_uid() == 0 { "yes" } else { "root only" };
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn an_unknown_call_looks_like_an_older_kernel() {
    let unknown = filter(&[call(libc::SYS_clone3)], libc::ENOSYS).expect("a program");
    let walls = Walls { unknown: Some(unknown), ..Walls::default() };
    let (text, child) = within(walls, "(echo child); grep Seccomp_filters /proc/self/status");
    assert_eq!(text, "child\nSeccomp_filters:\t1\n");
    assert!(child.refusals.is_none());
}

#[test]
fn a_filter_of_nothing_is_an_error_and_not_an_open_door() {
    let walls = filter(&[], libc::EPERM).map(|filter| filter.program().len());
    assert!(walls.is_err() || walls.is_ok_and(|lines| lines > 0));
}
