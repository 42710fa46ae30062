//! Services with a schedule: each time one run, by the release that serves, whoever dies at that moment; and what an
//! operator reads of those that did not go well.

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::Value;
use testkit::{FakeApp, Mainstay, wait};

const SOON: Duration = Duration::from_secs(40);
/// Between two times, in seconds: longer than it takes until the next keeper is there.
const EVERY_S: i64 = 5;

/// Says when and for which release it ran, into a file that outlives both.
const DIGEST: &str = r#"
[service.digest]
command = ["/bin/sh", "-c", "echo $(date +%s) $MAINSTAY_RELEASE $(id -u) >> {shared_dir}/state/ran; echo digested; sleep 1"]
schedule = "*/5 * * * * *"
timezone = "Europe/Berlin"
"#;

fn deployed(mainstay: &Mainstay, jobs: &str) -> FakeApp {
    let app = FakeApp::new(mainstay, "fake").tables(jobs);
    app.deploy_to(mainstay, &[]).expect_code(0);
    app
}

/// The time that each run was for, and its release, in the order in which they began.
fn ran(mainstay: &Mainstay, app: &FakeApp) -> Vec<(i64, u64)> {
    let text = fs::read_to_string(mainstay.shared(&app.site()).join("state/ran")).unwrap_or_default();
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<i64>().ok()).expect("a number");
    let run = |line: &str| {
        let mut words = line.split(' ');
        let (at, release) = (number(words.next()), number(words.next()));
        (at.div_euclid(EVERY_S), u64::try_from(release).expect("a release"))
    };
    text.lines().map(run).collect()
}

fn job(mainstay: &Mainstay, app: &FakeApp, name: &str) -> Value {
    let status = mainstay.status(&app.site());
    let jobs = status["schedules"].as_array().cloned().unwrap_or_default();
    jobs.into_iter().find(|job| job["service"] == name).unwrap_or_default()
}

fn outcomes(mainstay: &Mainstay, app: &FakeApp, name: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for run in job(mainstay, app, name)["past"].as_array().into_iter().flatten() {
        *count.entry(run["outcome"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    count
}

/// So many more runs have begun.
fn more(mainstay: &Mainstay, app: &FakeApp, runs: usize) {
    let before = ran(mainstay, app).len();
    wait::until("the job runs", SOON, || ran(mainstay, app).len() >= before + runs);
}

#[test]
fn a_scheduled_job_runs_once_each_time_whoever_dies_and_whatever_is_deployed() {
    let mut mainstay = Mainstay::start();
    let app = deployed(&mainstay, DIGEST);
    more(&mainstay, &app, 1);
    for place in ["schedule-planned", "schedule-started", "schedule-running"] {
        mainstay.die_at(place);
        wait::until("the keeper dies there", SOON, || !mainstay.is_deadly(place));
        more(&mainstay, &app, 2);
    }
    app.clone().next().deploy_to(&mainstay, &[]).expect_code(0);
    more(&mainstay, &app, 1);
    let all = ran(&mainstay, &app);
    let times: Vec<i64> = all.iter().map(|(time, _)| *time).collect();
    let missed = outcomes(&mainstay, &app, "digest").get("missed").copied().unwrap_or_default();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "a time was run twice: {all:?}");
    let whole = usize::try_from(times[times.len() - 1] - times[0]).expect("forward") + 1;
    assert!(times.len() + missed >= whole, "a time was lost: {all:?}, and {missed} missed");
    let releases: Vec<u64> = all.iter().map(|(_, release)| *release).collect();
    assert!(releases.is_sorted() && releases.first() == Some(&1) && releases.last() == Some(&2), "{all:?}");
    let outcomes = outcomes(&mainstay, &app, "digest");
    assert!(outcomes.keys().all(|word| ["succeeded", "missed"].contains(&word.as_str())), "{outcomes:?}");
    let said = mainstay.cli_in(app.folder(), &["status"]).expect_code(0).out;
    assert!(said.contains("SCHEDULED") && said.contains("*/5 * * * * * Europe/Berlin"), "{said}");
    let said = mainstay.cli_in(app.folder(), &["logs", "digest"]).expect_code(0).out;
    assert!(said.matches("digested").count() >= all.len() - 1, "{said}");
    mainstay.down();
}

const TROUBLED: &str = r#"
[service.fails]
command = ["/bin/sh", "-c", "echo no way >&2; exit 3"]
schedule = "*/5 * * * * *"

[service.hangs]
command = ["/bin/sh", "-c", "echo waiting; exec sleep 1000"]
schedule = "*/5 * * * * *"
timeout = "2s"
stop_timeout = "1s"

[service.long]
command = ["/bin/sh", "-c", "exec sleep 1000"]
schedule = "*/5 * * * * *"
stop_timeout = "1s"
"#;

#[test]
fn runs_that_do_not_go_well_are_told_and_down_leaves_none_behind() {
    let mut mainstay = Mainstay::start();
    let app = deployed(&mainstay, TROUBLED);
    wait::until("each has shown what it does", SOON, || {
        let count = |name, outcome| outcomes(&mainstay, &app, name).get(outcome).copied().unwrap_or_default();
        count("fails", "failed") > 0 && count("hangs", "failed") > 0 && count("long", "skipped") > 0
    });
    let said = mainstay.cli_in(app.folder(), &["events", "-n", "100"]).expect_code(0).out;
    for words in [
        "run fails",
        "exit 3",
        "run hangs",
        "did not end within its time",
        "run long",
        "the run before it went on",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
    let why = &job(&mainstay, &app, "fails")["past"][0]["why"];
    assert_eq!(why["details"][0]["lines"], serde_json::json!(["no way"]), "{why:#}");
    let said = mainstay.cli_in(app.folder(), &["check", "--live"]).all();
    assert!(said.contains("id `schedules`") && said.contains("failed: exit 3"), "{said}");
    let said = mainstay.cli_in(app.folder(), &["status"]).expect_code(0).out;
    assert!(said.contains("runs since") && said.contains("scheduled"), "{said}");

    // A run of a keeper before is seen to its end by the next one.
    let running = |mainstay: &Mainstay| {
        let running = job(mainstay, &app, "long")["running"].clone();
        (running["outcome"] == "running").then_some(running)
    };
    let long = wait::value("the long one runs", SOON, || running(&mainstay));
    mainstay.kill_keeper();
    assert_eq!(job(&mainstay, &app, "long")["running"], long);
    mainstay.down_within(Duration::from_secs(1));

    // A power cut ends a run that nobody saw end: it is lost, told, and not begun again.
    mainstay.up();
    let long = wait::value("it runs again", SOON, || running(&mainstay));
    mainstay.lose_power();
    mainstay.up();
    wait::until("the run is known to be lost", SOON, || {
        let past = job(&mainstay, &app, "long")["past"].as_array().cloned().unwrap_or_default();
        past.iter().any(|run| run["process"] == long["process"] && run["outcome"] == "lost")
    });
    mainstay.down_within(Duration::from_secs(1));
}
