//! `mainstay up`: descriptors outlive the keeper, a hung keeper is replaced, Ctrl-C reaches it.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    time::Duration,
};

use libtest_mimic::Trial;
use machine::{child::Executable, lock::FileLock};
use supervisor::{
    store::Store,
    up::{self, EXIT_DOWN, UpSettings},
};

use crate::{
    house::{House, is_alive, own_path},
    trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("descriptors_come_back_by_name_after_the_keeper_was_killed", descriptors),
        trial("a_keeper_that_hangs_is_aborted_and_replaced", hung_keeper),
        trial("ctrl_c_reaches_the_keeper_and_ends_both", ctrl_c),
        trial("a_third_ctrl_c_ends_what_does_not_listen", third_ctrl_c),
        trial("ctrl_c_twice_ends_everything_where_no_keeper_can_start", ctrl_c_without_a_keeper),
        trial("a_keeper_that_cannot_begin_ends_up_with_its_status", cannot_begin),
        trial("the_keeper_outlives_its_parent", parent_killed),
    ]
}

/// Plays `mainstay up`: `<run> <mode>`.
pub(crate) fn play_up(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let run_dir = PathBuf::from(args.next().expect("a folder"));
    let mode = args.next().expect("a mode");
    let lock = FileLock::try_acquire(&run_dir.join("up.lock")).expect("a file").expect("nobody else");
    up::main(UpSettings {
        run_dir,
        exe: Executable::own().expect("own executable"),
        program: Executable::own_path().expect("its path"),
        lock: &lock,
        keeper: vec!["storekeeper".into(), mode],
        store: Vec::new(),
        watchdog: Duration::from_millis(500),
        resumed: None,
    })
}

/// Plays a keeper: binds once, finds its listener again after that.
pub(crate) fn play_keeper(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let inherited = Store::inherited();
    let mode = args.next().expect("a mode");
    if mode == "broken" || (mode == "once" && !inherited.is_empty()) {
        return ExitCode::from(9);
    }
    let store = Store::from_env().expect("a store");
    let listener = match inherited.into_iter().find(|(name, _)| name == "http") {
        Some((_, fd)) => TcpListener::from(fd),
        None => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
            store.put("gone", listener.as_fd()).expect("kept");
            store.put("http", listener.as_fd()).expect("kept");
            store.remove("gone").expect("let go");
            listener
        }
    };
    let signals = machine::signals::SignalFd::block(&[2]).expect("signals");
    store.ready().expect("told");
    let address = listener.local_addr().expect("an address");
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    println!("keeper {} {address} [{names}]", std::process::id());
    std::io::stdout().flush().expect("flushed");
    let every = Store::alive_every().expect("someone watches");
    loop {
        let told = signals.next().is_some();
        if told && mode != "deaf" {
            println!("told to end");
            return ExitCode::from(EXIT_DOWN);
        }
        if mode == "hung" {
            std::thread::park();
        }
        // A parent that is gone hears nothing; a keeper serves on.
        let _ = store.alive();
        std::thread::sleep(every.min(Duration::from_millis(50)));
    }
}

struct Up {
    folder: tempfile::TempDir,
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Up {
    fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (child, out) = Self::run(folder.path(), mode);
        Self { folder, child, out }
    }

    fn run(folder: &Path, mode: &str) -> (Child, BufReader<ChildStdout>) {
        let mut command = Command::new(own_path());
        command
            .arg("up")
            .arg(folder)
            .arg(mode)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        (child, out)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("text");
        line.trim().to_owned()
    }

    /// Pid, address and names of the next keeper that says hello.
    fn keeper(&mut self) -> (i32, String, String) {
        let line = self.line();
        let words: Vec<&str> = line.split(' ').collect();
        let ["keeper", pid, address, names] = words[..] else { panic!("{line}") };
        (pid.parse().expect("a pid"), address.to_owned(), names.to_owned())
    }

    fn signal(&self, signal: i32) {
        signal_pid(self.child.id().cast_signed(), signal);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal_pid(pid: i32, signal: i32) {
    machine::pidfd::signal(machine::pidfd::open(pid).expect("it lives"), signal).expect("sent");
}

async fn descriptors() {
    let mut up = Up::start("well");
    let (first, address, names) = up.keeper();
    assert_eq!(names, "[]");
    signal_pid(first, 9);
    // Nobody serves now, and nobody is refused: the queue is open.
    let waiting = std::net::TcpStream::connect(&address).expect("not refused");
    let (second, again, names) = up.keeper();
    assert_ne!(second, first);
    assert_eq!((again.as_str(), names.as_str()), (address.as_str(), "[http]"));
    drop(waiting);
    up.signal(15);
    assert_eq!(up.line(), "told to end");
    assert!(up.child.wait().expect("ended").success());
}

async fn hung_keeper() {
    let mut up = Up::start("hung");
    let (first, ..) = up.keeper();
    let (second, ..) = up.keeper();
    assert_ne!(second, first);
    assert!(!is_alive(first.unsigned_abs()));
    up.signal(9);
    signal_pid(second, 9);
}

async fn ctrl_c() {
    let mut up = Up::start("well");
    let (keeper, ..) = up.keeper();
    up.signal(2);
    assert_eq!(up.line(), "told to end");
    assert!(up.child.wait().expect("ended").success());
    assert!(!is_alive(keeper.unsigned_abs()));
}

async fn third_ctrl_c() {
    let mut up = Up::start("deaf");
    let (keeper, ..) = up.keeper();
    // One signal pending twice is one: each is heard before the next.
    for _ in 0..2 {
        up.signal(2);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_alive(keeper.unsigned_abs()));
    up.signal(2);
    assert!(up.child.wait().expect("ended").success(), "nothing is left");
    assert!(!is_alive(keeper.unsigned_abs()));
}

async fn ctrl_c_without_a_keeper() {
    let house = House::new();
    let app = house.spawn(&house.shell("sleep 1000")).await;
    let pid = app.pid();
    let mut command = Command::new(own_path());
    command.arg("up").arg(house.path().join("run")).arg("once").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let up = child.id().cast_signed();
    let mut said = BufReader::new(child.stdout.take().expect("piped"));
    let mut errors = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    let keeper = line.split(' ').nth(1).and_then(|pid| pid.parse().ok()).expect("a pid");
    signal_pid(keeper, 9);
    errors.find(|line| line.contains("ended with status 9")).expect("no next one begins");
    signal_pid(up, 2);
    errors.find(|line| line.contains("Ctrl-C once more")).expect("who asks is told what comes");
    assert!(is_alive(pid), "only a keeper drains");
    signal_pid(up, 2);
    errors.find(|line| line.contains("1 ended")).expect("who asks again is told what was done");
    assert!(child.wait().expect("ended").success());
    assert!(!is_alive(pid));
    assert_eq!(house.folders(), 0, "and nothing of it is left");
}

async fn cannot_begin() {
    let mut up = Up::start("broken");
    assert_eq!(up.child.wait().expect("ended").code(), Some(9));
}

async fn parent_killed() {
    let mut up = Up::start("well");
    let (keeper, address, _) = up.keeper();
    up.signal(9);
    up.child.wait().expect("ended");
    assert!(is_alive(keeper.unsigned_abs()), "no death signal binds it");
    std::net::TcpStream::connect(&address).expect("it listens on");
    // The next one may take the place of the first: its lock went with it.
    let (mut next, mut out) = Up::run(up.folder.path(), "well");
    let mut line = String::new();
    out.read_line(&mut line).expect("text");
    assert!(line.starts_with("keeper "), "{line}");
    signal_pid(keeper, 9);
    signal_pid(next.id().cast_signed(), 2);
    assert!(next.wait().expect("ended").success());
}
