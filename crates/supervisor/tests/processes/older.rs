//! A shim of the version before with today's keeper: it speaks what was recorded, and nothing that came later.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
};

use libtest_mimic::Trial;
use supervisor::{Cause, Found, ObserveError, StopPlan};

use crate::{
    house::{House, adopted, is_alive, own_path, until},
    trial,
};

const SPEC: &str = include_str!("../recorded/v1/spec.json");
const EXIT: &str = include_str!("../recorded/v1/exit.json");
const WIRE: &str = include_str!("../recorded/v1/wire.txt");
const ID: &str = "01KAGY3Z5V8Q2N4M6P7R9S1T3W";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("a_shim_of_an_older_version_is_adopted_stopped_and_forgotten", older_shim),
        trial("an_exit_that_an_older_shim_wrote_is_read", older_exit),
        trial("what_a_newer_version_started_is_refused_in_words_and_left_alone", newer),
    ]
}

/// A folder as a shim finds it, with a spec of that format.
fn folder(house: &House, format: u32) -> PathBuf {
    let dir = house.path().join("run/i").join(ID);
    std::fs::create_dir_all(&dir).expect("made");
    let spec = SPEC.replace("\"format\":1", &format!("\"format\":{format}"));
    std::fs::write(dir.join("spec.json"), spec.trim()).expect("written");
    dir
}

/// Killed with the test.
struct Shim(Child);

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start(dir: &Path) -> Shim {
    let mut shim = Command::new(own_path());
    let shim = shim.arg("older-shim").arg(dir).stdin(Stdio::null()).spawn().expect("it starts");
    let shim = Shim(shim);
    until("it has its ctl", || dir.join("ctl").exists()).await;
    shim
}

async fn older_shim() {
    // The version before had the format before.
    for format in [1, 2] {
        let house = House::new();
        let dir = folder(&house, format);
        let _shim = start(&dir).await;
        let found = house.next_keeper().observe().await.expect("readable");
        let [process] = adopted(&found)[..] else { panic!("{found:?}") };
        assert_eq!((process.spec().format, process.spec().name.as_str()), (format, "web.1.1"));
        assert!(is_alive(process.pid()));
        assert_eq!(process.tail(20).await, ["2026-11-21T10:00:00.000000001Z stdout F up"]);
        assert!(!process.ready().await, "a verb that it does not know is no word of readiness");
        process.signal(18).await.expect("heard");
        process.stop_with(StopPlan { signal: 15, grace: std::time::Duration::ZERO }).await.expect("heard");
        assert_eq!(process.wait().await.cause, Cause::Code(9), "as it was recorded");
        process.forget().await.expect("forgotten");
        assert_eq!(house.folders(), 0);
    }
}

async fn older_exit() {
    let house = House::new();
    let dir = folder(&house, 1);
    std::fs::write(dir.join("exit.json"), EXIT).expect("written");
    let [Found::Ended { exit, .. }] = &house.next_keeper().observe().await.expect("readable")[..] else {
        panic!("not ended")
    };
    assert_eq!((&exit.cause, exit.asked), (&Cause::Signal(15), true));
}

async fn newer() {
    let house = House::new();
    let dir = folder(&house, 3);
    let _shim = start(&dir).await;
    let other = house.spawn(&house.shell("sleep 1000")).await;
    let refused = house.next_keeper().observe().await.expect_err("it is of tomorrow");
    assert!(matches!(refused, ObserveError::Newer { found: 3, .. }));
    let words = refused.to_string();
    assert!(words.contains("spec.json has the format 3") && words.contains("up to 2"), "{words}");
    assert!(dir.join("ctl").exists() && UnixStream::connect(dir.join("ctl")).is_ok(), "it was left alone");
    assert!(is_alive(other.pid()), "and so was its neighbour");
    other.stop().await.expect("taken");
    other.wait().await;
}

/// Plays that shim: the lock, `ctl`, and recorded words with the pids and the digest of the day.
pub(crate) fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let dir = PathBuf::from(args.next().expect("a folder"));
    let _lock = machine::lock::FileLock::try_acquire(&dir.join("lock")).expect("opened").expect("free");
    let app = Command::new("setpriv").args(["--pdeathsig", "KILL", "sleep", "1000"]).spawn().expect("an app");
    let pid = app.id();
    let app = Arc::new(Mutex::new(app));
    let listener = UnixListener::bind(dir.join("ctl.new")).expect("bound");
    std::fs::rename(dir.join("ctl.new"), dir.join("ctl")).expect("renamed");
    for stream in listener.incoming() {
        let (dir, app) = (dir.clone(), Arc::clone(&app));
        std::thread::spawn(move || serve(&dir, stream.expect("accepted"), &app, pid));
    }
    ExitCode::SUCCESS
}

fn serve(dir: &Path, stream: UnixStream, app: &Mutex<Child>, pid: u32) {
    let mut answers = stream.try_clone().expect("a copy");
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let asked: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let verb = asked["do"].as_str().expect("a verb");
        let answer = match verb {
            "hello" => hello(dir, pid),
            "stop" => {
                let _ = app.lock().expect("no panic").kill();
                recorded(verb)
            }
            "wait" => {
                while app.lock().expect("no panic").try_wait().expect("own child").is_none() {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                recorded(verb)
            }
            "signal" | "tail" => recorded(verb),
            "forget" => {
                writeln!(answers, "\"done\"").expect("heard");
                std::process::exit(0);
            }
            other => format!("{{\"error\":\"not understood: {other}\"}}"),
        };
        if writeln!(answers, "{answer}").is_err() {
            return;
        }
    }
}

fn hello(dir: &Path, pid: u32) -> String {
    use sha2::Digest as _;
    let spec = std::fs::read(dir.join("spec.json")).expect("there");
    let digest: String = sha2::Sha256::digest(spec).iter().map(|byte| format!("{byte:02x}")).collect();
    let own = format!("\"shim_pid\":{}", std::process::id());
    let hello = recorded("hello").replace("DIGEST", &digest).replace("\"shim_pid\":41", &own);
    hello.replace("\"pid\":42", &format!("\"pid\":{pid}"))
}

/// The answer that stands below this verb.
fn recorded(verb: &str) -> String {
    let mut lines = WIRE.lines();
    let asked = format!("> {{\"do\":\"{verb}\"");
    lines.find(|line| line.starts_with(&asked)).expect("it was recorded");
    lines.next().and_then(|line| line.strip_prefix("< ")).expect("with its answer").to_owned()
}
