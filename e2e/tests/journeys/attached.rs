//! `run` and `exec`: what goes in comes out, byte by byte; a terminal is a terminal; signals arrive; and nobody who is
//! attached, or leaves, harms the command or the app.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use machine::terminal::{Pair, Size, resize};
use rustix::process::Signal;
use serde_json::Value;
use testkit::{FakeApp, Mainstay, mainstay::processes, wait};

use crate::{SLOW_MIGRATION, serving_fake};

const SOON: Duration = Duration::from_secs(30);

fn piped(mainstay: &Mainstay, app: &FakeApp, words: &[&str]) -> Child {
    let mut command = at(mainstay, app, words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the built binary starts")
}

fn at(mainstay: &Mainstay, app: &FakeApp, words: &[&str]) -> Command {
    let mut command = mainstay.command(words);
    command.current_dir(app.folder());
    command
}

/// Gives it `input`, closes its input, and waits for its end.
fn fed(mut child: Child, input: Vec<u8>) -> Output {
    let mut stdin = child.stdin.take().expect("piped");
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    // A command that ends before it has read everything closes this pipe.
    let _ = writer.join().expect("no panic");
    output
}

#[test]
fn bytes_go_through_a_one_off_unchanged_and_their_end_too() {
    let (mainstay, app) = serving_fake();
    // Far more than all buffers on the way hold, of every byte, without a line's end in most of it.
    let input: Vec<u8> = (0..6_000_011_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = fed(piped(&mainstay, &app, &["run", "--", "cat"]), input.clone());
    assert!(output.status.success() && output.stderr.is_empty(), "{:?}", output.status);
    assert!(output.stdout == input, "{} bytes came back of {}", output.stdout.len(), input.len());
    let script = "head -c 3; echo oh >&2; exit 7";
    let output = fed(piped(&mainstay, &app, &["run", "--", "sh", "-c", script]), input);
    assert_eq!(
        (output.status.code(), output.stdout.len(), output.stderr.as_slice()),
        (Some(7), 3, &b"oh\n"[..])
    );
}

#[test]
fn a_signal_passes_input_that_nobody_reads() {
    let (mainstay, app) = serving_fake();
    let script = "trap 'echo caught; exit 5' INT; echo set; sleep 60 & wait";
    let mut child = piped(&mainstay, &app, &["run", "--", "sh", "-c", script]);
    let mut stdin = child.stdin.take().expect("piped");
    // The shell never reads it: the client is held up for ever, and must still hear of the key.
    thread::spawn(move || while stdin.write_all(&[b'x'; 65_536]).is_ok() {});
    let mut said = [0; 4];
    child.stdout.as_mut().expect("piped").read_exact(&mut said).expect("it says when it is ready");
    processes::signal(child.id(), Signal::INT);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), &b"caught\n"[..]));
}

#[test]
fn a_reader_that_goes_away_ends_the_writer_as_in_a_pipe() {
    let (mainstay, app) = serving_fake();
    let mut child = piped(&mainstay, &app, &["run", "--", "yes"]);
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut [0; 4]).expect("it writes");
    drop(stdout);
    let status = wait::value("`run -- yes` ends", SOON, || child.try_wait().expect("own child"));
    assert_eq!(status.code(), Some(128 + 13));
}

#[test]
fn a_command_whose_client_and_keeper_are_killed_runs_to_its_end_and_its_words_are_kept() {
    let (mainstay, app) = serving_fake();
    let logs = mainstay.data().join("apps").join(app.site()).join("logs/run");
    let file = mainstay.shared(&app.site()).join("state/go");
    let script = |word: &str| {
        format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo {word}", file.display())
    };
    let start = |word: &str| {
        let mut child = piped(&mainstay, &app, &["run", "--", "sh", "-c", &script(word)]);
        child.stdout.as_mut().expect("piped").read_exact(&mut [0; 6]).expect("it begins");
        child
    };
    let mut left = start("after-the-client");
    left.kill().expect("killed");
    left.wait().expect("gone");
    let cut = start("after-the-keeper");
    mainstay.kill_keeper();
    let said = cut.wait_with_output().expect("the client ends by itself");
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("may still run"), "{said:?}");
    mainstay.cli_in(app.folder(), &["status"]).expect_code(0);
    std::fs::write(&file, "").expect("written");
    wait::until("both have said their last word", SOON, || {
        let texts: String = std::fs::read_dir(&logs)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
            .collect();
        ["after-the-client", "after-the-keeper"].iter().all(|word| texts.contains(word))
    });
}

#[test]
fn status_tells_who_runs_what_in_which_release_also_after_the_keeper_was_killed() {
    let (mainstay, app) = serving_fake();
    let instance = format!("web.{}.1", mainstay.serving(&app.site()));
    let mut clients = [
        piped(&mainstay, &app, &["run", "--", "sleep", "4243"]),
        piped(&mainstay, &app, &["exec", &instance, "--", "sleep", "4244"]),
    ];
    let me = rustix::process::getuid().as_raw();
    let jobs = || mainstay.status(&app.site())["jobs"].as_array().cloned().unwrap_or_default();
    wait::until("both are told", SOON, || jobs().len() == 2);
    let told = jobs();
    let of = |kind: &str| told.iter().find(|job| job["kind"] == kind).cloned().expect("it is told");
    for (kind, of_instance, seconds) in
        [("run", Value::Null, "4243"), ("exec", Value::from(instance.as_str()), "4244")]
    {
        let job = of(kind);
        assert_eq!(
            (&job["release"], &job["service"], &job["instance"]),
            (&1.into(), &"web".into(), &of_instance)
        );
        assert_eq!(job["command"], serde_json::json!(["sleep", seconds]));
        let pid = u32::try_from(job["pid"].as_u64().expect("a pid")).expect("a pid");
        assert!(processes::is_alive(pid), "{job}");
        let operator = job["operator"].as_str().expect("somebody asked");
        assert!(operator == "root" || me != 0, "{operator}");
    }
    mainstay.kill_keeper();
    mainstay.cli_in(app.folder(), &["status"]).expect_code(0);
    assert_eq!(jobs(), told, "another keeper knows the same");
    let said = mainstay.cli_in(app.folder(), &["status"]).expect_code(0).out;
    assert!(said.contains("COMMAND") && said.contains(&instance) && said.contains("sleep 4243"), "{said}");
    for job in told {
        processes::kill(u32::try_from(job["pid"].as_u64().expect("a pid")).expect("a pid"));
    }
    wait::until("what has ended is told no more", SOON, || jobs().is_empty());
    clients.iter_mut().for_each(|client| drop(client.wait()));
}

#[test]
fn status_tells_the_migration_that_a_deploy_runs_and_whose_it_is() {
    let (mainstay, app) = serving_fake();
    let (site, next) = (app.site(), app.next().tables(SLOW_MIGRATION));
    let deploy = next.start_deploy(&mainstay, &[]);
    let seen = wait::value("the migration is told", SOON, || {
        let status = mainstay.status(&site);
        let migration = status["jobs"].as_array()?.iter().find(|job| job["kind"] == "migrate")?.clone();
        Some((migration, status["deploy"]["operator"].clone()))
    });
    assert_eq!((&seen.0["release"], &seen.0["operator"]), (&2.into(), &seen.1));
    deploy.wait().expect_code(0);
    assert_eq!(mainstay.status(&site)["jobs"], serde_json::json!([]));
}

#[test]
fn an_exec_has_what_its_instance_was_started_with() {
    let (mainstay, app) = serving_fake();
    let name = format!("web.{}.2", mainstay.serving(&app.site()));
    let pid = mainstay.instances(&app.site())[&name];
    let of_instance = std::fs::read_to_string(format!("/proc/{pid}/environ")).expect("it lives");
    let script = "tr '\\0' '\\n' < /proc/self/environ; pwd -P; ulimit -n; id -u";
    let output = fed(piped(&mainstay, &app, &["exec", &name, "--", "sh", "-c", script]), Vec::new());
    let said = String::from_utf8(output.stdout).expect("text");
    // A private folder each, and nobody's notices.
    let its_own =
        |line: &str| ["TMPDIR=", "PWD=", "NOTIFY_SOCKET="].iter().any(|name| line.starts_with(name));
    for variable in of_instance.split_terminator('\0').filter(|line| !its_own(line)) {
        assert!(said.lines().any(|line| line == variable), "{variable} is missing:\n{said}");
    }
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("it lives");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("a uid");
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    assert_eq!(last[2], cwd.display().to_string());
    assert_eq!(last[0], uid.split_whitespace().next().expect("a number"));
    let missing = mainstay.cli_in(app.folder(), &["exec", "web.99.1", "--", "id"]).expect_code(1);
    assert!(missing.err.contains("no instance web.99.1"), "{missing}");
}

/// A client at a terminal of its own.
struct Seat {
    child: Child,
    screen: File,
    seen: String,
    keyboard: OwnedFd,
}

impl Seat {
    fn at(mut command: Command, size: Size) -> Self {
        let pair = Pair::open(size).expect("a pseudo-terminal");
        let stdio = || Stdio::from(pair.slave.try_clone().expect("a copy"));
        command.stdin(stdio()).stdout(stdio()).stderr(stdio()).env("TERM", "xterm-256color");
        let child = command.spawn().expect("the built binary starts");
        let screen = File::from(pair.master.try_clone().expect("a copy"));
        Self { child, screen, seen: String::new(), keyboard: pair.slave }
    }

    fn types(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// Reads until `words` are on the screen. Bound: the command's own, whose end ends the test.
    fn sees(&mut self, words: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.contains(words) {
            let mut ready = [rustix::event::PollFd::new(&self.screen, rustix::event::PollFlags::IN)];
            let limit = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
            let count = rustix::event::poll(&mut ready, Some(&limit)).expect("poll");
            assert!(count > 0, "{words:?} does not come:\n{}", self.seen);
            let count = self.screen.read(&mut buffer).expect("the terminal is there");
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        self.seen.clear();
    }

    fn mode(&self) -> (rustix::termios::LocalModes, rustix::termios::InputModes) {
        let all = rustix::termios::tcgetattr(&self.keyboard).expect("a terminal");
        (all.local_modes, all.input_modes)
    }

    fn ends(&mut self) -> Option<i32> {
        wait::value("the client ends", SOON, || self.child.try_wait().expect("own child")).code()
    }
}

#[test]
fn a_terminal_has_a_size_keys_and_its_old_mode_back_at_every_end() {
    let (mainstay, app) = serving_fake();
    let size = Size { columns: 101, rows: 33 };
    let run = |script: &str| Seat::at(at(&mainstay, &app, &["run", "--tty", "--", "sh", "-c", script]), size);
    let mut seat = run("stty size < /dev/tty; echo $TERM; read line; stty size; exec sleep 60");
    let cooked = Seat::at(Command::new("true"), size).mode();
    seat.sees("33 101\r\nxterm-256color\r\n");
    assert_ne!(seat.mode(), cooked, "keys go to the command as they are");
    resize(&seat.keyboard, Size { columns: 77, rows: 22 }).expect("resized");
    // The kernel tells a foreground group; the client here is in none, as it is not the terminal's session.
    processes::signal(seat.child.id(), Signal::WINCH);
    seat.types("\r");
    seat.sees("22 77");
    seat.types("\u{3}");
    assert_eq!(seat.ends(), Some(130), "Ctrl-C is the command's");
    assert_eq!(seat.mode(), cooked);

    let mut seat = run("echo up; exec sleep 4242");
    seat.sees("up");
    processes::signal(seat.child.id(), Signal::TERM);
    assert_eq!(seat.ends(), Some(1));
    assert_eq!(seat.mode(), cooked, "a client that is told to end leaves a usable terminal");
    wait::until("the command was hung up with its terminal", SOON, || {
        !mainstay.processes().values().any(|words| words.contains("sleep 4242"))
    });
    let refused = mainstay.cli_in(app.folder(), &["run", "--tty", "--", "true"]).expect_code(1);
    assert!(refused.err.contains("needs a terminal"), "{refused}");
}
