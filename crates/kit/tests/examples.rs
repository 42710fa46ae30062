//! Every example is a program that works: what it prints, how it answers, how it ends.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Built with the tests, beside them: `target/debug/examples/notes` next to `target/debug/deps/examples-…`.
fn example(name: &str) -> Command {
    let tests = std::env::current_exe().expect("a path");
    let folder: PathBuf = tests.parent().and_then(Path::parent).expect("a target folder").join("examples");
    let mut command = Command::new(folder.join(name));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs one that ends by itself, with a file of its own as its argument.
fn run(name: &str, vars: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = example(name);
    command.arg(folder.path().join("example.db")).envs(vars.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("the example was built with the tests");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn printed(name: &str) -> String {
    let (code, out, said) = run(name, &[]);
    assert_eq!(code, Some(0), "{name}: {said}");
    out
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

fn get(socket: &Path, path: &str) -> Option<String> {
    ask(socket, &format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"))
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: &str) {
    let told = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("runs");
    assert!(told.success());
}

#[test]
fn the_notes_are_kept_and_it_stops_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("notes.sock");
    let mut command = example("notes");
    command
        .env("NOTES_DB", folder.path().join("notes.db"))
        .env("LISTEN", format!("unix:{}", socket.display()));
    let log = folder.path().join("log");
    command.stdout(std::fs::File::create(&log).expect("a file"));
    let mut child = command.spawn().expect("the example was built with the tests");
    let is_ok = |answer: Option<String>| answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
    wait_until("readiness", || is_ok(get(&socket, "/health/ready")));
    let add = "POST /notes HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\nConnection: close\r\n\r\nbuy milk";
    assert!(is_ok(ask(&socket, add)));
    assert!(get(&socket, "/notes").is_some_and(|answer| answer.ends_with("buy milk")));
    assert!(
        get(&socket, "/metrics")
            .is_some_and(|answer| answer.contains("route=\"/notes\",status_code=\"200\"} 1"))
    );
    assert!(get(&socket, "/api/health").is_some_and(|answer| answer.contains("\"database\"")));
    signal(&child, "-USR2");
    wait_until("a log at debug", || {
        get(&socket, "/health/ready");
        let log = std::fs::read_to_string(&log).expect("reads");
        log.lines().any(|line| line.contains("DEBUG") && line.contains("/health/ready"))
    });
    signal(&child, "-TERM");
    assert_eq!(ended(&mut child), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_request_that_runs_is_answered_while_it_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("serve.sock");
    let mut command = example("serve");
    command.env("LISTEN", format!("unix:{}", socket.display())).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the example was built with the tests");
    wait_until("a socket", || get(&socket, "/").is_some());
    let asked = socket.clone();
    let slow = std::thread::spawn(move || get(&asked, "/slow"));
    let mut out = child.stdout.take().expect("a pipe");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("a long request runs") {
        let mut piece = [0; 256];
        let length = out.read(&mut piece).expect("reads");
        assert!(length > 0, "it ended");
        said.extend_from_slice(&piece[..length]);
    }
    signal(&child, "-TERM");
    assert!(slow.join().expect("joins").is_some_and(|answer| answer.ends_with("answered while stopping")));
    assert_eq!(ended(&mut child), Some(0));
}

#[test]
fn the_config_of_the_guide_is_validated_in_its_words() {
    let (code, out, said) = run("config", &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        said,
        "Configuration validation failed:
  - Required environment variable GOOGLE_CLIENT_ID is not set
  - Required environment variable GOOGLE_CLIENT_SECRET is not set
  - Required environment variable OPENAI_API_KEY is not set
  - Required environment variable JWT_SECRET is not set
"
    );
    let wrong = [
        ("NODE_ENV", "production"),
        ("GOOGLE_CLIENT_ID", "short"),
        ("GOOGLE_CLIENT_SECRET", "shorter"),
        ("OPENAI_API_KEY", "your_openai_api_key"),
        ("JWT_SECRET", "your_jwt_secret_key_here"),
        ("LOG_LEVEL", "debug"),
    ];
    let (code, _, said) = run("config", &wrong);
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "Configuration validation failed:
  - GOOGLE_CLIENT_ID appears to be invalid (too short)
  - GOOGLE_CLIENT_SECRET appears to be invalid (too short)
  - OPENAI_API_KEY should start with \"sk-\"
  - JWT_SECRET should not use the default placeholder value
  - JWT_SECRET must be changed in production
  - CORS_ORIGIN must be configured for production
  - DATABASE_URL is required in production
  - LOG_LEVEL should not be debug in production
"
    );
    let right = [
        ("GOOGLE_CLIENT_ID", "1234567890-abcdefg.apps"),
        ("GOOGLE_CLIENT_SECRET", "GOCSPX-0123456789abcdef"),
        ("OPENAI_API_KEY", "sk-0123456789"),
        ("JWT_SECRET", "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607"),
        ("PORT", "8080"),
    ];
    let (code, out, said) = run("config", &right);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(out, "Configuration validation passed\nport 8080\n");
    let short = [right[0], right[1], right[2], ("JWT_SECRET", "9f2c7c1d")];
    let expected = "Configuration validation failed:\n  - JWT_SECRET should be at least 32 characters long\n";
    assert_eq!(run("config", &short).2, expected);
}

#[test]
fn a_log_is_json_keeps_secrets_and_changes_its_level() {
    let out = printed("logs");
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let of = |key: &str| -> Vec<&str> {
        lines.iter().map(|line| line[key].as_str().unwrap_or_default()).collect()
    };
    assert_eq!(
        of("message"),
        [
            "a note was added",
            "the log's level is another now",
            "somebody looks closer",
            "this is no level of the log; it stays as it is",
        ]
    );
    assert_eq!((&lines[0]["id"], of("text")[2]), (&serde_json::json!(7), "[private]"));
    assert!(!out.contains("milk"), "{out}");
    for at in of("timestamp") {
        assert!(
            at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T',
            "{at} is not RFC 3339 in UTC"
        );
    }
}

#[test]
fn figures_are_printed_for_a_scraper() {
    let out = printed("metrics");
    for line in [
        "# TYPE notes_added_total counter",
        "notes_added_total{kind=\"short\"} 2",
        "notes_waiting 3",
        "event_streams_active 1",
        "http_requests_total{method=\"GET\",route=\"/notes/{id}\",status_code=\"200\"} 1",
    ] {
        assert!(out.lines().any(|found| found == line), "no line {line} in\n{out}");
    }
}

#[test]
fn a_vendor_that_is_down_is_told_and_turns_nobody_away() {
    let expected = "200 {\"status\":\"ready\"}\n200 \"degraded\" {\"google\":\"unhealthy\"}\n503\n";
    assert_eq!(printed("health"), expected);
}

#[test]
fn a_drain_lets_work_end_and_cuts_what_does_not() {
    let expected = "working\nquick: no new work\nquick: done\nslow: given back\nall ended: true\n";
    assert_eq!(printed("drain"), expected);
}

#[test]
fn a_hundred_writers_meet_no_busy_error_and_a_failed_write_leaves_nothing() {
    assert_eq!(printed("sqlite"), "true\n4950\n");
}

#[test]
fn migrations_go_up_and_down_and_an_old_release_keeps_away() {
    assert_eq!(
        printed("migrations"),
        "applied [1, 2]\nagain []\nthe database refuses code below schema 2, this program is 1: use a later release\n\
         undone [2]\nold fits: true\n"
    );
}

#[test]
fn a_job_of_a_process_that_died_is_done_once_by_another() {
    assert_eq!(printed("jobs"), "Began\nattempt 2 sends letter 7\nEnded(Ended)\nall ended: true\n");
}

#[test]
fn a_reader_that_comes_back_gets_the_rest_and_no_word_twice() {
    let out = printed("stream");
    let of = |who: &str| -> Vec<&str> { out.lines().filter_map(|line| line.strip_prefix(who)).collect() };
    assert_eq!(
        of("first: "),
        ["1.0 text \"one\"", "1.1 text \"two\"", "1.2 text \"three\"", "1.3 text \"four\"", "1.4 done \"\""]
    );
    assert_eq!(of("back again: "), ["1.2 text \"three\"", "1.3 text \"four\"", "1.4 done \"\""]);
}

#[test]
fn a_change_of_one_connection_reaches_another() {
    assert_eq!(printed("live"), "ana changed a task\n");
}
