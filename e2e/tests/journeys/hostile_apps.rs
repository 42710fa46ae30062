//! Journey 3, the hostile apps: what real apps do to their supervisor on a bad day.

use std::{fs, time::Duration};

use rustix::process::Signal;
use testkit::{
    FakeApp, Load, Mainstay,
    mainstay::processes::{is_alive, kill, signal},
    wait,
};

use crate::{judge, serving_fake};

const SOON: Duration = Duration::from_secs(15);

/// A machine that serves the fake app with some mischief.
fn serving_mischief(mischief: &str) -> (Mainstay, FakeApp) {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").env("FAKE_MISCHIEF", mischief).instances(1);
    app.deploy_to(&mainstay, &[]).expect_code(0);
    (mainstay, app)
}

fn pid(mainstay: &Mainstay, app: &FakeApp) -> u32 {
    mainstay.instances(&app.site()).into_values().next().expect("an instance runs")
}

#[test]
fn an_app_that_leaves_a_daemon_leaves_nothing() {
    let (mut mainstay, app) = serving_mischief("daemon");
    let daemons = |mainstay: &Mainstay| {
        mainstay.processes().values().filter(|line| line.starts_with("sleep 600")).count()
    };
    wait::until("the app has left its daemon", SOON, || daemons(&mainstay) == 1);
    app.clone().env("FAKE_MISCHIEF", "").deploy_to(&mainstay, &[]).expect_code(0);
    wait::until("the daemon ends with its instance", SOON, || daemons(&mainstay) == 0);
    mainstay.down();
}

#[test]
fn an_app_that_ignores_sigterm_is_killed_after_its_time() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").env("FAKE_STOP", "ignore");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let old: Vec<u32> = mainstay.instances(&app.site()).into_values().collect();
    app.clone().next().deploy_to(&mainstay, &[]).expect_code(0);
    // stop_timeout is 5 s.
    wait::until("the old instances are gone", Duration::from_secs(30), || {
        !old.iter().any(|pid| is_alive(*pid))
    });
}

#[test]
fn an_app_that_closes_its_stdout_lives_on() {
    let (mainstay, app) = serving_mischief("close-stdout");
    let judge = judge(&mainstay, &app, Load::requests());
    let instances = mainstay.instances(&app.site());
    judge.wait_answers(200);
    assert_eq!(mainstay.instances(&app.site()), instances, "it was not restarted");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn a_line_without_an_end_and_a_flood_of_lines_cost_bounded_disk_and_no_request() {
    for mischief in ["long-line", "flood"] {
        let mut mainstay = Mainstay::start();
        let app = FakeApp::new(&mainstay, "fake").env("FAKE_MISCHIEF", mischief).instances(1);
        let app = app.tables("[logs]\nmax_bytes = \"4MiB\"");
        app.deploy_to(&mainstay, &[]).expect_code(0);
        let judge = judge(&mainstay, &app, Load { short: 2, slow: 1, writers: 1, ..Load::requests() });
        // The shim goes on reading and bounding while nobody keeps it.
        let keeper = mainstay.keeper_pid();
        mainstay.kill_up();
        kill(keeper);
        judge.wait_answers(300);
        let logs = mainstay.data().join("apps").join(app.site()).join("logs");
        let bytes = folder_bytes(&logs);
        assert!(bytes > 64 << 10, "{mischief}: the log was written: {bytes} bytes in {}", logs.display());
        assert!(bytes < 8 << 20, "{mischief}: the log is bounded: {bytes} bytes");
        judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
    }
}

#[test]
fn no_log_line_is_lost_when_the_keeper_dies() {
    let (mainstay, app) = serving_mischief("count");
    for _ in 0..3 {
        let before = counted(&mainstay).last().copied().unwrap_or(0);
        mainstay.kill_keeper();
        wait::until("the count goes on", SOON, || {
            counted(&mainstay).last().copied().unwrap_or(0) > before + 50
        });
    }
    let seen = counted(&mainstay);
    let wanted: Vec<u32> = (1..=seen.last().copied().unwrap_or(0)).collect();
    assert_eq!(seen, wanted, "every line of {} once and in order", app.site());
}

/// The numbers that the app has counted, as `mainstay logs` tells them.
fn counted(mainstay: &Mainstay) -> Vec<u32> {
    let said = mainstay.cli(&["logs", "web", "--app", "fake", "--tail", "100000", "--json"]).expect_code(0);
    let text = |line: serde_json::Value| line["text"].as_str().map(str::to_owned);
    let numbers = said.json_lines().into_iter().filter_map(text);
    numbers.filter_map(|text| text.strip_prefix("count ")?.parse().ok()).collect()
}

#[test]
fn a_secret_never_reaches_the_disk() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").env("FAKE_MISCHIEF", "secret").instances(1);
    let secrets = mainstay.data().join("apps").join(app.site());
    fs::create_dir_all(&secrets).expect("the site's folder");
    let path = secrets.join("secrets.env");
    fs::write(&path, "FAKE_SECRET=hunter2-is-not-my-password\n").expect("the secrets");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("own file");
    app.service("env_secrets = [\"FAKE_SECRET\"]").deploy_to(&mainstay, &[]).expect_code(0);
    let logs = || mainstay.cli(&["logs", "web", "--app", "fake"]).all();
    wait::until("the app has spoken of its secret", SOON, || logs().contains("my secret is"));
    let found = files_with(mainstay.data(), b"hunter2-is-not-my-password");
    assert_eq!(found, [path], "only the operator's own file holds it");
    let found = files_with(mainstay.run_folder(), b"hunter2-is-not-my-password");
    assert!(found.is_empty(), "{found:?}");
    let told = mainstay.processes().into_values().filter(|line| line.contains("hunter2-is-not-my-password"));
    assert_eq!(told.count(), 0, "no process has it as an argument");
}

#[test]
fn a_stopped_app_survives_the_death_of_its_keeper() {
    let (mainstay, app) = serving_fake();
    let stopped = pid(&mainstay, &app);
    signal(stopped, Signal::STOP);
    mainstay.kill_keeper();
    assert!(is_alive(stopped), "an orphaned stopped group is not hung up on");
    signal(stopped, Signal::CONT);
    let judge = judge(&mainstay, &app, Load::requests());
    judge.wait_answers(100);
    assert_eq!(mainstay.instances(&app.site()).values().filter(|pid| **pid == stopped).count(), 1);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn a_crash_loop_is_retried_for_ever_and_shown() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").instances(1).env("FAKE_SICK", "{shared_dir}/state/illness");
    let restart = r#"restart = { backoff_initial = "100ms", backoff_max = "200ms", max_restarts = 3, degraded_every = "1s" }"#;
    app.service(restart).deploy_to(&mainstay, &[]).expect_code(0);
    let illness = mainstay.shared("fake/production").join("state/illness");
    let instance = || mainstay.status("fake/production")["services"][0]["instances"][0].clone();
    // It ends whenever it is asked whether it is ready.
    fs::write(&illness, "crash").expect("the shared folder");
    wait::until("status says that it is degraded", SOON, || instance()["state"] == "degraded");
    let seen = instance()["restarts"].as_u64().unwrap_or(0);
    assert!(seen >= 3, "status counts them: {}", instance());
    wait::until("it is tried again and again", SOON, || instance()["restarts"].as_u64() > Some(seen + 2));
    let said = mainstay.cli(&["status", "--app", "fake"]).all();
    assert!(said.contains("degraded"), "{said}");
    fs::remove_file(&illness).expect("it was there");
    wait::until("it is well again", SOON, || instance()["state"] == "up" && instance()["ready"] == true);
    assert_eq!(mainstay.get("fake.test", "/version").expect("it serves").status, 200);
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    files(folder).iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
}

fn files_with(folder: &std::path::Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let holds = |path: &std::path::PathBuf| {
        fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    files(folder).into_iter().filter(holds).collect()
}

/// All regular files below, links not followed.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}
