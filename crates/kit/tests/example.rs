//! The example is an app that works: it answers, keeps what it was given, and stops when told.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Built with the tests, beside them: `target/debug/examples/notes` next to `target/debug/deps/example-…`.
fn example() -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    tests.parent().and_then(Path::parent).expect("a target folder").join("examples/notes")
}

fn ask(socket: &Path, request: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn ended(child: &mut Child) -> Option<i32> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("waits") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("kills");
    None
}

#[test]
fn the_example_keeps_notes_and_stops_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("notes.sock");
    let mut command = Command::new(example());
    command
        .env_clear()
        .env("NOTES_DB", folder.path().join("notes.db"))
        .env("LISTEN", format!("unix:{}", socket.display()));
    let mut child = command.spawn().expect("the example was built with the tests");
    let until = Instant::now() + PATIENCE;
    let ready = "GET /health/ready HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    while !ask(&socket, ready).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        assert!(Instant::now() < until, "it does not become ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    let added = ask(
        &socket,
        "POST /notes HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\nConnection: close\r\n\r\nbuy milk",
    );
    assert!(added.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    let notes = ask(&socket, "GET /notes HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert!(notes.is_some_and(|answer| answer.ends_with("buy milk")));
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("runs");
    assert!(told.success());
    assert_eq!(ended(&mut child), Some(0));
    assert!(!socket.exists());
}
