//! The commands that end by themselves: what they print, and how they exit.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::json;

use crate::bench::Bench;

/// The schema of this version.
const NEWEST: u32 = 10;

fn text(output: &Output) -> (Option<i32>, String, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn run(bench: &Bench, vars: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String, String) {
    text(&bench.command(vars).args(args).output().expect("runs"))
}

/// Makes an account by `assistant user add`.
fn add(bench: &Bench, name: &str, password: &str) -> (Option<i32>, String, String) {
    let mut command: Command = bench.command(&[]);
    let mut child = command
        .args(["user", "add", name, "--password-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("a pipe").write_all(password.as_bytes()).expect("writes");
    text(&child.wait_with_output().expect("ends"))
}

#[test]
fn every_bad_setting_is_told_at_once_before_anything_starts() {
    let bench = Bench::new();
    let vars = [
        ("PORT", "http"),
        ("ASSISTANT_MODEL_KNID", "ollama"),
        ("ASSISTANT_SECRET_KEY", "your_secret_key_goes_here_0123456789"),
    ];
    let expected = "Configuration validation failed:
  - PORT should be a whole number from 1 to 65535, not \"http\"
  - ASSISTANT_SECRET_KEY should not use the default placeholder value
  - ASSISTANT_MODEL_KNID is not a setting; did you mean ASSISTANT_MODEL_KIND?
";
    for args in [["web"].as_slice(), &["worker"], &["migrate", "up"], &["config", "check"]] {
        assert_eq!(run(&bench, &vars, args), (Some(1), String::new(), expected.to_owned()), "{args:?}");
    }
    assert!(!bench.path("data").exists(), "nothing was made");
    assert_eq!(
        run(&bench, &[], &["config", "check"]),
        (Some(0), "Configuration validation passed\n".to_owned(), String::new())
    );
}

#[test]
fn the_schema_goes_up_and_down_and_says_its_number() {
    let bench = Bench::new();
    let version = || run(&bench, &[], &["migrate", "version"]).1;
    assert_eq!(version(), "0\n");
    assert!(!bench.path("data").exists(), "asking makes no database");
    let told = |numbers: Vec<u32>| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let (up, down) = (told((1..=NEWEST).collect()), told((1..=NEWEST).rev().collect()));
    assert_eq!(
        run(&bench, &[], &["migrate", "up"]).1,
        format!("applied: {up}; the database is at version {NEWEST}\n")
    );
    assert_eq!(
        run(&bench, &[], &["migrate", "up"]).1,
        format!("nothing to do, the database is at version {NEWEST}\n")
    );
    assert_eq!(version(), format!("{NEWEST}\n"));
    let before = NEWEST - 1;
    assert_eq!(
        run(&bench, &[], &["migrate", "down"]).1,
        format!("undone: {NEWEST}; the database is at version {before}\n")
    );
    assert_eq!(version(), format!("{before}\n"));
    assert_eq!(run(&bench, &[], &["migrate", "up"]).0, Some(0));
    assert_eq!(
        run(&bench, &[], &["migrate", "down", "--to", "0"]).1,
        format!("undone: {down}; the database is at version 0\n")
    );
}

#[test]
fn a_database_with_accounts_is_emptied_only_by_whoever_says_so_and_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    run(&bench, &[], &["migrate", "up"]);
    add(&bench, "cleo", "correct horse\n");
    for file in std::fs::read_dir(bench.path("data")).expect("a folder") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("is there").permissions().mode() & 0o777;
        assert!(
            !file.metadata().expect("is there").is_file() || mode == 0o600,
            "{:?} is {mode:o}",
            file.path()
        );
    }
    let (code, _, told) = run(&bench, &[], &["migrate", "down", "--to", "0"]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("1 accounts with all that they wrote would be lost") && told.contains("--yes"),
        "{told}"
    );
    assert_eq!(run(&bench, &[], &["migrate", "version"]).1, format!("{NEWEST}\n"));
    run(&bench, &[], &["migrate", "down", "--to", "1"]);
    assert_eq!(run(&bench, &[], &["migrate", "down"]).0, Some(1), "one step before it is nearly the same");
    assert_eq!(run(&bench, &[], &["migrate", "down", "--to", "0", "--yes"]).0, Some(0));
    assert_eq!(run(&bench, &[], &["migrate", "version"]).1, "0\n");
}

#[tokio::test]
async fn a_database_that_is_too_old_is_not_ready_until_it_is_migrated() {
    let bench = Bench::new();
    run(&bench, &[], &["migrate", "up"]);
    run(&bench, &[], &["migrate", "down"]);
    // Under Mainstay a process migrates nothing by itself; it says that it is not ready.
    let socket = bench.path("web.sock");
    let mut command = bench.command(&[("MAINSTAY_RELEASE", "7")]);
    command.env_remove("ASSISTANT_FIRST_USER").env_remove("ASSISTANT_FIRST_PASSWORD");
    let mut child =
        command.args(["web", "--listen", &format!("unix:{}", socket.display())]).spawn().expect("starts");
    let client = crate::client::Client::new(&socket);
    let until = std::time::Instant::now() + crate::bench::PATIENCE;
    let mut seen_unready = false;
    loop {
        match client.try_get("/health/ready").await {
            Some(answer) if answer.status == 503 && answer.body.contains("schema") && !seen_unready => {
                seen_unready = true;
                assert_eq!(client.try_get("/health/live").await.map(|answer| answer.status), Some(200));
                assert_eq!(run(&bench, &[], &["migrate", "up"]).0, Some(0));
            }
            Some(answer) if answer.status == 200 => break,
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
        assert!(std::time::Instant::now() < until, "it never became ready");
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(seen_unready, "it was ready on a schema that it does not run on");
}

#[test]
fn an_account_is_made_with_its_password_on_standard_input() {
    let bench = Bench::new();
    let add = |name: &str, password: &str| add(&bench, name, password);
    assert_eq!(add("ben", "correct horse\n").0, Some(0));
    assert_eq!(
        add("BEN", "correct horse\n").2,
        "error: the account was not made: there is an account named BEN already\n"
    );
    for name in ["", " ", "be\u{202e}n", "a\u{2067}na"] {
        assert!(add(name, "correct horse\n").2.contains("a name has 1 to 64 characters"), "{name:?}");
    }
    assert!(add("cleo", "short\n").2.contains("8 characters or more"));
}

#[test]
fn the_description_and_the_schema_of_settings_are_json() {
    let bench = Bench::new();
    let description: serde_json::Value =
        serde_json::from_str(&run(&bench, &[], &["openapi"]).1).expect("JSON");
    assert_eq!(description["openapi"], json!("3.1.0"));
    let schema: serde_json::Value =
        serde_json::from_str(&run(&bench, &[], &["config", "schema"]).1).expect("JSON");
    assert_eq!(
        schema["properties"]["ASSISTANT_MODEL_KIND"]["enum"],
        json!(["openai", "anthropic", "ollama"])
    );
    assert_eq!(schema["properties"]["ASSISTANT_DATABASE"]["x-aliases"], json!(["DATABASE_URL"]));
    let shown = run(&bench, &[("ASSISTANT_SECRET_KEY", "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607")], &["config"]).1;
    assert!(shown.contains("ASSISTANT_SECRET_KEY=[private]") && !shown.contains("9f2c"));
}

#[test]
fn settings_come_from_other_names_and_from_files_and_say_so() {
    let bench = Bench::new();
    let key = "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607";
    std::fs::write(bench.path("key"), format!("{key}\n")).expect("writes");
    let file = bench.path("key");
    let url = format!("file:{}", bench.path("deep/own.db").display());
    let vars = [("ASSISTANT_SECRET_KEY_FILE", file.to_str().expect("UTF-8")), ("DATABASE_URL", url.as_str())];
    let shown = run(&bench, &vars, &["config"]).1;
    assert!(shown.contains("# from ASSISTANT_SECRET_KEY_FILE\nASSISTANT_SECRET_KEY=[private]"), "{shown}");
    assert!(shown.contains("# from DATABASE_URL\nASSISTANT_DATABASE=") && !shown.contains(key), "{shown}");
    assert_eq!(run(&bench, &vars, &["migrate", "up"]).0, Some(0));
    assert!(bench.path("deep/own.db").exists());
    // A pipe that a supervisor hands over is a file too.
    let mut piped = bench.command(&[("ASSISTANT_SECRET_KEY_FILE", "/dev/fd/0")]);
    piped.args(["config"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut piped = piped.spawn().expect("starts");
    piped.stdin.take().expect("a pipe").write_all(key.as_bytes()).expect("writes");
    assert!(text(&piped.wait_with_output().expect("ends")).1.contains("ASSISTANT_SECRET_KEY=[private]"));
    let report = |vars: &[(&str, &str)]| {
        let (code, out, _) = run(&bench, vars, &["config", "check", "--json"]);
        (code, serde_json::from_str::<serde_json::Value>(&out).expect("JSON"))
    };
    assert_eq!(report(&vars), (Some(0), json!({"valid": true, "errors": []})));
    let twice = [vars[0], ("JWT_SECRET", "another-secret-of-more-than-32-chars")];
    let refusal = "ASSISTANT_SECRET_KEY_FILE and JWT_SECRET say different things; set one of them";
    assert_eq!(report(&twice), (Some(1), json!({"valid": false, "errors": [refusal]})));
}

#[test]
fn a_database_that_is_none_is_left_alone_and_told_with_its_remedy() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("data")).expect("a folder");
    let file = bench.path("data/assistant.db");
    let junk = b"no database at all, but long enough to look like a file of one".repeat(200);
    std::fs::write(&file, &junk).expect("writes");
    for args in
        [["web"].as_slice(), &["worker"], &["migrate", "up"], &["migrate", "status"], &["user", "link"]]
    {
        let (code, _, said) = run(&bench, &[], args);
        assert_eq!(code, Some(1), "{args:?}: {said}");
        for part in ["data/assistant.db cannot be used", "not a database", "left as it is", "backup"] {
            assert!(said.contains(part), "{args:?} does not say \"{part}\": {said}");
        }
    }
    assert_eq!(std::fs::read(&file).expect("reads"), junk);
}

#[test]
fn a_place_that_is_taken_is_told_once_and_no_link_is_printed() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let place = format!("tcp:{}", taken.local_addr().expect("an address"));
    let nobody = [("ASSISTANT_FIRST_USER", ""), ("ASSISTANT_FIRST_PASSWORD", "")];
    let (code, out, said) = run(&bench, &nobody, &["web", "--listen", &place]);
    assert_eq!((code, said.matches("error").count()), (Some(1), 2), "{said}");
    assert!(said.starts_with("error: cannot listen on 127.0.0.1:"), "{said}");
    assert!(![out, said].concat().contains("/welcome/"));
}
