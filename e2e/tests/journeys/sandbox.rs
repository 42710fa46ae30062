//! What a running Mainstay keeps its processes from: the app, its jobs, its edge. Each denial really happens.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use serde_json::Value;
use testkit::{FakeApp, Load, Mainstay, wait};

use crate::judge;

const SOON: Duration = Duration::from_secs(20);

/// A worker that tries what no worker should, says how each went, and lives on.
const PROBER: &str = r#"
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, what):
    try: print(name, what(), flush=True)
    except OSError as error: print(name, error.strerror, flush=True)
def write(path):
    with open(path, "w") as file: file.write("x")
    return "done"
def call(*arguments):
    if libc.syscall(*arguments) < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"
attempt("own", lambda: write(os.environ["STATE"] + "/own"))
attempt("tmp", lambda: write(os.environ["TMPDIR"] + "/own"))
attempt("world", lambda: write(os.environ["WORLD"] + "/world"))
attempt("mount", lambda: "done" if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) == 0 else os.strerror(ctypes.get_errno()))
attempt("ptrace", lambda: call(101, 0, 0, 0, 0))
attempt("keeper", lambda: os.kill(int(os.environ["KEEPER"]), 0) or "done")
print("tried", flush=True)
while True: time.sleep(1)
"#;

/// A folder that every account may write, outside all that is the app's.
fn world(mainstay: &Mainstay) -> std::path::PathBuf {
    let world = mainstay.folder().join("world");
    fs::create_dir_all(&world).expect("made");
    fs::set_permissions(&world, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("open to all");
    world
}

fn prober(mainstay: &Mainstay, sandbox: &str) -> FakeApp {
    let app = FakeApp::new(mainstay, "fake").instances(1);
    fs::write(app.folder().join("prober.py"), PROBER).expect("written");
    let world = world(mainstay);
    app.tables(&format!(
        "[service.prober]\ncommand = [\"python3\", \"prober.py\"]\nenv = {{ STATE = \"{{shared_dir}}/state\", WORLD = {world:?}, \
         KEEPER = \"{}\" }}\n{sandbox}",
        mainstay.keeper_pid()
    ))
}

/// What the prober of the release that serves said of one attempt.
fn said(mainstay: &Mainstay, release: u64, attempt: &str) -> String {
    let release = release.to_string();
    let log =
        || mainstay.cli(&["logs", "prober", "--app", "fake", "--release", &release, "--json"]).json_lines();
    let texts =
        || log().into_iter().filter_map(|line| Some(line["text"].as_str()?.to_owned())).collect::<Vec<_>>();
    wait::until("it has tried everything", SOON, || texts().iter().any(|text| text == "tried"));
    let found = texts().into_iter().find_map(|text| Some(text.strip_prefix(attempt)?.trim().to_owned()));
    found.unwrap_or_else(|| panic!("nothing of {attempt} in {:?}", texts()))
}

fn finding(mainstay: &Mainstay, app: &FakeApp, id: &str) -> Value {
    let all = mainstay.cli_in(app.folder(), &["check", "--live", "--json"]).json_lines();
    all.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("no {id} in {all:?}")).clone()
}

#[test]
fn an_app_is_held_what_it_was_refused_is_told_and_each_word_opens_what_it_says() {
    let mainstay = Mainstay::start();
    let app = prober(&mainstay, "");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    for allowed in ["own", "tmp"] {
        assert_eq!(said(&mainstay, 1, allowed), "done", "{allowed}");
    }
    assert_eq!(said(&mainstay, 1, "world"), "Permission denied");
    for refused in ["mount", "ptrace", "keeper"] {
        assert_eq!(said(&mainstay, 1, refused), "Operation not permitted", "{refused}");
    }
    let told = finding(&mainstay, &app, "refused-calls");
    assert_eq!(told["state"], "found");
    let causes = told["explain"]["causes"].to_string();
    assert!(causes.contains("prober.1.1: mount once, ptrace once"), "{told}");
    assert_eq!(
        finding(&mainstay, &app, "sandbox")["state"],
        "passed",
        "this machine's kernel holds all of it"
    );
    let world = world(&mainstay);
    assert!(!world.join("world").exists());

    let loosened =
        format!("[service.prober.sandbox]\nwrite = [{world:?}]\nallow = [\"ptrace\", \"signals\"]");
    prober(&mainstay, &loosened).next().deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(said(&mainstay, 2, "world"), "done");
    assert_eq!(said(&mainstay, 2, "ptrace"), "done");
    assert_eq!(said(&mainstay, 2, "mount"), "Operation not permitted");
    let told = finding(&mainstay, &app, "sandbox");
    assert!(
        told["seen"].as_str().is_some_and(|seen| seen.contains("prober: ptrace, signals, write")),
        "{told}"
    );
}

#[test]
fn jobs_and_commands_of_operators_are_held_like_the_app() {
    let mainstay = Mainstay::start();
    let world = world(&mainstay);
    let migrate = format!(
        "[migrate]\ncommand = [\"/bin/sh\", \"-c\", \"echo x > {0}/migrated || echo refused; echo 1 > $STATE/schema\"]\n\
         status_command = [\"/bin/sh\", \"-c\", \"cat $STATE/schema 2>/dev/null || echo 0\"]\n\
         env = {{ STATE = \"{{shared_dir}}/state\" }}\nschema = 1\nschema_min = 0\ncompatible_with = 0",
        world.display()
    );
    let app = FakeApp::new(&mainstay, "fake").instances(1).tables(&migrate);
    app.deploy_to(&mainstay, &[]).expect_code(0);
    assert!(!world.join("migrated").exists(), "the migration ran, and not beyond its folders");
    let line = format!("echo x > {}/run && echo written", world.display());
    for verb in [&["run"][..], &["exec", "web.1.1"]] {
        let said = mainstay.cli(&[verb, &["--app", "fake", "--", "/bin/sh", "-c", &line]].concat());
        assert!(
            said.all().contains("Permission denied") && !said.all().contains("written"),
            "{}",
            said.all()
        );
    }
    assert!(!world.join("run").exists());
    mainstay.cli(&["run", "--app", "fake", "--", "unshare", "-r", "true"]);
    let told = finding(&mainstay, &app, "refused-calls");
    let seen = told["seen"].as_str().expect("no instance was refused anything");
    assert!(seen.contains("to the instances that run") && seen.contains("`mainstay run`"), "{seen}");
    let folder = mainstay.data().join("apps").join(app.site()).join("logs/run");
    let logs = fs::read_dir(folder).expect("logs of commands").flatten();
    let logs: String = logs.map(|log| fs::read_to_string(log.path()).expect("a log")).collect();
    assert!(logs.contains("unshare"), "what is not counted stands there: {logs}");
}

/// A line of `/proc/<pid>/status`.
fn of_process(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"));
    line.unwrap_or_else(|| panic!("no {key}")).to_owned()
}

#[test]
fn the_edge_has_no_capability_and_reads_no_certificate_outside_its_folders() {
    let names =
        "[[certificate]]\nnames = [\"chat.example.com\"]\ncert = \"tls/chat.pem\"\nkey = \"tls/chat.key\"";
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let inside = data.join("tls");
    fs::create_dir_all(&inside).expect("made");
    let mainstay = Mainstay::start_in(folder, data, names);
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let edge = mainstay.edge_pid();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(of_process(edge, set), "0000000000000000", "{set}");
    }
    assert_eq!((of_process(edge, "NoNewPrivs"), of_process(edge, "Seccomp")), ("1".into(), "2".into()));
    let judge = judge(&mainstay, &app, Load::requests());
    let outside = mainstay.folder().join("elsewhere");
    for folder in [&inside, &outside] {
        fs::create_dir_all(folder).expect("made");
        crate::front::put_pair(folder, 2090);
    }
    let told = || crate::front::told(&mainstay);
    wait::until("the pair in its folder is served", SOON, || told()["served"] == true);
    replace_by_links(&inside, &outside);
    wait::until("the pair elsewhere is none for the edge", SOON, || {
        told()["problem"].as_str().is_some_and(|why| why.contains("Permission denied"))
    });
    assert_eq!(told()["served"], true, "it serves what it has: {}", told());
    assert_eq!(mainstay.edge_pid(), edge);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

fn replace_by_links(inside: &Path, outside: &Path) {
    for name in ["chat.pem", "chat.key"] {
        symlink(outside.join(name), inside.join("new")).expect("linked");
        fs::rename(inside.join("new"), inside.join(name)).expect("in its place");
    }
}
