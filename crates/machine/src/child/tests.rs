use std::{
    io::{Read, Write},
    os::fd::AsFd,
};

use super::*;

fn texts(all: &[&str]) -> Vec<CString> {
    all.iter().map(|text| c_string(text).expect("no NUL")).collect()
}

/// Runs a shell line with `env` and gives back what it wrote to descriptor 1.
fn said(line: &str, env: &[&str], with: impl FnOnce(&mut Setup<'_>)) -> String {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut setup =
        Setup::new(Exec::Paths(texts(&["/nowhere/sh", "/bin/sh"])), texts(&["sh", "-c", line]), texts(env));
    setup.fds = vec![(write.as_fd(), 1)];
    with(&mut setup);
    let child = spawn(&setup).expect("it starts");
    drop(setup);
    drop(write);
    let mut text = String::new();
    read.read_to_string(&mut text).expect("text");
    reap(child.pid);
    text
}

#[test]
fn a_child_has_the_given_environment_and_nothing_else() {
    assert_eq!(
        said("/usr/bin/env -u PWD -u _ -u SHLVL", &["A=1", "B=two words"], |_| {}),
        "A=1\nB=two words\n"
    );
}

#[test]
fn a_child_is_told_its_own_pid() {
    let text = said("echo $LISTEN_PID $$", &[], |setup| setup.pid_variable = Some("LISTEN_PID"));
    let (told, own) = text.trim().split_once(' ').expect("two words");
    assert_eq!(told, own);
}

#[test]
fn a_child_has_only_the_descriptors_it_was_given() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"kept").expect("written");
    let leak = rustix::io::fcntl_dupfd_cloexec(&file, 50).expect("a descriptor");
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).expect("not close-on-exec");
    let line = "for n in 0 1 2 3 4 50; do if [ -e /proc/$$/fd/$n ]; then echo $n; fi; done";
    let said = said(line, &[], |setup| {
        let null: &'static File = Box::leak(Box::new(File::open("/dev/null").expect("there")));
        setup.fds.push((null.as_fd(), 0));
        setup.fds.push((null.as_fd(), 3));
    });
    assert_eq!(said, "0\n1\n3\n");
    drop(leak);
}

#[test]
fn a_program_that_cannot_run_is_reported_with_its_step_and_cause() {
    let setup = Setup::new(Exec::Paths(texts(&["/nowhere/a", "/etc/passwd/b"])), texts(&["a"]), Vec::new());
    let error = spawn(&setup).expect_err("nothing is there");
    assert_eq!((error.step, error.source.kind()), (Step::Exec, io::ErrorKind::NotFound));
    let setup = Setup::new(Exec::Paths(texts(&["/etc/passwd"])), texts(&["a"]), Vec::new());
    let error = spawn(&setup).expect_err("not executable");
    assert_eq!((error.step, error.source.kind()), (Step::Exec, io::ErrorKind::PermissionDenied));
    let mut setup = Setup::new(Exec::Paths(texts(&["/bin/sh"])), texts(&["sh"]), Vec::new());
    setup.cwd = Some(c"/nowhere".to_owned());
    assert_eq!(spawn(&setup).expect_err("no folder").step, Step::Cwd);
}

#[test]
fn a_held_executable_runs_after_its_file_was_replaced() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tool");
    // By a process of its own: a descriptor of ours that writes it could be in a child that another test forks just now.
    let copied = std::process::Command::new("cp").arg("/bin/echo").arg(&path).status().expect("cp runs");
    assert!(copied.success());
    let held = Executable::open(&path).expect("opened");
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, "another").expect("replaced");
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut setup = Setup::new(Exec::Held(&held), texts(&["echo", "the old one"]), Vec::new());
    setup.fds = vec![(write.as_fd(), 1)];
    let child = spawn(&setup).expect("it starts");
    drop(write);
    let mut text = String::new();
    read.read_to_string(&mut text).expect("text");
    reap(child.pid);
    assert_eq!(text, "the old one\n");
}

#[test]
fn signals_are_back_at_their_defaults_in_a_child() {
    crate::signals::ignore(libc::SIGPIPE);
    let ignored = said("grep SigIgn /proc/$$/status", &[], |_| {});
    let mask =
        ignored.trim().rsplit('\t').next().and_then(|hex| u64::from_str_radix(hex, 16).ok()).expect("a mask");
    assert_eq!(mask & (1 << (libc::SIGPIPE - 1)), 0, "{ignored}");
}

#[test]
fn a_descriptor_may_take_the_number_that_the_executable_has_here() {
    let held = Executable::open(Path::new("/bin/sh")).expect("opened");
    let number = held.0.as_raw_fd();
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let line = texts(&["sh", "-c", &format!("echo here >&{number}")]);
    let mut setup = Setup::new(Exec::Held(&held), line, Vec::new());
    setup.fds = vec![(write.as_fd(), number)];
    let child = spawn(&setup).expect("it starts");
    drop(write);
    let mut text = String::new();
    read.read_to_string(&mut text).expect("text");
    reap(child.pid);
    assert_eq!(text, "here\n");
}

#[test]
fn a_session_with_a_terminal_finds_it_by_its_own_name() {
    let size = crate::terminal::Size { columns: 97, rows: 31 };
    let pair = crate::terminal::Pair::open(size).expect("a pseudo-terminal");
    let slave: &'static OwnedFd = Box::leak(Box::new(pair.slave));
    let with = |session| {
        said("/bin/stty size < /dev/tty 2>/dev/null || echo none", &[], |setup| {
            setup.session = session;
            setup.fds.push((slave.as_fd(), 0));
        })
    };
    assert_eq!(with(Session::New), "none\n");
    assert_eq!(with(Session::Terminal), "31 97\n");
}

fn capabilities(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| u64::from_str_radix(line.split_once(":\t")?.1, 16).ok()).collect()
}

#[test]
fn a_child_without_capabilities_can_have_none_again() {
    let with = |none| said("grep ^Cap /proc/$$/status", &[], |setup| setup.no_capabilities = none);
    let (kept, dropped) = (capabilities(&with(false)), capabilities(&with(true)));
    assert_eq!((kept.len(), dropped.len()), (5, 5));
    let [.., effective, bounding, ambient] = dropped[..] else { panic!("five sets") };
    if crate::users::own_uid() == 0 {
        assert_ne!(kept, dropped, "root has some to lose");
        assert_eq!((effective, bounding, ambient), (0, 0, 0));
    } else {
        assert_eq!((effective, ambient), (0, 0));
    }
}

#[test]
fn an_offline_child_reaches_itself_alone() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let reach = format!(
        "(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached; cat /proc/net/dev | tail -n +3 | cut -d: -f1; \
         python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 0)); socket.create_connection(s.getsockname()); print(\"itself\")'"
    );
    let line = format!("exec /bin/bash -c '{}'", reach.replace('\'', "'\\''"));
    let online = said(&line, &["PATH=/usr/bin:/bin"], |_| {});
    assert!(online.contains("reached") && online.contains("itself"), "{online}");
    let offline = said(&line, &["PATH=/usr/bin:/bin"], |setup| setup.offline = true);
    assert_eq!(offline.split_whitespace().collect::<Vec<_>>(), ["lo", "itself"], "{offline}");
}

#[test]
fn an_offline_child_stays_who_it_is_without_privilege_too() {
    let who = "id -u; id -g; cat /proc/net/dev | tail -n +3 | cut -d: -f1";
    let nobody = Become { uid: 65534, gid: 65534, groups: Vec::new() };
    let offline = said(who, &["PATH=/usr/bin:/bin"], |setup| {
        setup.offline = true;
        setup.user = (crate::users::own_uid() == 0).then_some(nobody);
    });
    let own = if crate::users::own_uid() == 0 { "65534" } else { &crate::users::own_uid().to_string() };
    assert!(offline.starts_with(own) && offline.trim_end().ends_with("lo"), "{offline}");
}
