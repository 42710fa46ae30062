//! A service of which two may never run, while releases come and go and keepers die in between: the app takes a lock and
//! writes down whenever it finds it taken.

use std::{fs, time::Duration};

use testkit::{FakeApp, Load, Mainstay, wait};

use crate::judge;

const SOON: Duration = Duration::from_secs(40);

/// Holds the lock as long as it lives and takes a second to end, in which a successor would be found out. `ill` ends at once.
fn consumer(ill: bool) -> String {
    let work = if ill { "exit 3" } else { "while :; do sleep 0.1 9>&-; done" };
    format!(
        r#"
[service.consumer]
command = ["/bin/sh", "-c", "cd $STATE; exec 9>>lock; flock -n 9 || echo overlap by $MAINSTAY_INSTANCE >> record; echo $MAINSTAY_RELEASE began >> record; trap 'sleep 1; echo $MAINSTAY_RELEASE ended >> record; exit 0' TERM; {work}"]
overlap = "never"
env = {{ STATE = "{{shared_dir}}/state" }}
"#
    )
}

fn release(app: &FakeApp, ill: bool) -> FakeApp {
    app.clone().tables(&consumer(ill))
}

fn record(mainstay: &Mainstay, app: &FakeApp) -> String {
    fs::read_to_string(mainstay.shared(&app.site()).join("state/record")).unwrap_or_default()
}

/// Exactly one runs, of the release that serves, and there never were two.
fn one_of(mainstay: &Mainstay, app: &FakeApp, serving: u64) {
    assert_eq!(mainstay.serving(&app.site()), serving);
    let wanted = format!("consumer.{serving}.");
    wait::until("one of the release that serves runs", SOON, || {
        let instances = mainstay.instances(&app.site());
        let consumers: Vec<_> = instances.keys().filter(|name| name.starts_with("consumer.")).collect();
        consumers.len() == 1 && consumers[0].starts_with(&wanted)
    });
    let record = record(mainstay, app);
    assert!(!record.contains("overlap"), "two ran:\n{record}");
}

#[test]
fn what_must_never_run_twice_never_does_whoever_dies_and_comes_back_with_a_return() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake");
    release(&app, false).deploy_to(&mainstay, &[]).expect_code(0);
    one_of(&mainstay, &app, 1);
    let judge = judge(&mainstay, &app, Load::requests());
    judge.expect_any();

    let mut app = app.next();
    let said = release(&app, false).deploy_to(&mainstay, &[]).expect_code(0).all();
    assert!(said.contains("consumer.1.1 is stopped, consumer.2.1 takes its place"), "{said}");
    one_of(&mainstay, &app, 2);

    // One that does not come up is undone: the old release serves, its consumer runs again.
    app = app.next();
    let said = release(&app, true).deploy_to(&mainstay, &[]).expect_code(3);
    assert!(said.all().contains("consumer.3."), "{said}");
    one_of(&mainstay, &app, 2);

    let mut serving = 2;
    for place in ["relieve-stop", "relieve-cleared", "relieve-booked", "relieve-started"] {
        app = app.next();
        let keeper = mainstay.keeper_pid();
        mainstay.die_at(place);
        let said = release(&app, false).deploy_to(&mainstay, &["--json"]).expect_code(0);
        assert!(!mainstay.is_deadly(place), "nobody died at {place}\n{said}");
        assert!(mainstay.keeper_pid() != keeper, "the same keeper after {place}");
        let before = std::mem::replace(&mut serving, mainstay.serving(&app.site()));
        assert!(serving > before, "died at {place}\n{said}");
        one_of(&mainstay, &app, serving);
    }
    mainstay.die_at("relieve-cleared");
    app = app.next();
    release(&app, true).deploy_to(&mainstay, &["--json"]).expect_code(3);
    one_of(&mainstay, &app, serving);

    mainstay.cli_in(app.folder(), &["restart", "consumer"]).expect_code(0);
    one_of(&mainstay, &app, serving);
    mainstay.cli_in(app.folder(), &["rollback"]).expect_code(0);
    let back = mainstay.serving(&app.site());
    assert!(back < serving);
    one_of(&mainstay, &app, back);
    mainstay.cli_in(app.folder(), &["scale", "consumer=2"]).expect_code(1);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
    let record = record(&mainstay, &app);
    assert!(!record.contains("overlap") && record.matches("began").count() >= 10, "{record}");
}

/// A worker that begins once the bake has ended well, and says so.
const LATE: &str = r#"
[service.late]
command = ["/bin/sh", "-c", "cd $STATE; echo late $MAINSTAY_RELEASE >> record; exec sleep 1000"]
overlap = "never"
start_at = "after_bake"
env = { STATE = "{shared_dir}/state" }
"#;

#[test]
fn a_worker_begins_after_the_bake_and_never_in_a_release_that_is_taken_back() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").tables(LATE).deploy("bake_time", "\"6s\"");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let begun = || record(&mainstay, &app).lines().map(str::to_owned).collect::<Vec<_>>();
    wait::until("the first begins", SOON, || begun() == ["late 1"]);

    // Its keeper dies within the bake; the next one bakes anew, and then comes the worker.
    let app = app.clone().next();
    let mut deploy = app.start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("bake");
    assert_eq!(mainstay.serving(&app.site()), 2, "it serves");
    mainstay.kill_keeper();
    assert_eq!(begun(), ["late 1"], "it serves, and its worker waits");
    let said = deploy.wait().expect_code(0);
    wait::until("the second begins", SOON, || begun() == ["late 1", "late 2"]);
    let noted = said.out.find("late.2.1 takes its place").expect("it is told");
    let bakes: Vec<_> = said.out.match_indices("\"bake\"").map(|(at, _)| at).collect();
    assert!(bakes.iter().any(|at| *at < noted), "after the bake began\n{said}");

    // Taken back within the bake, by its keeper or by the next one: its own never ran.
    for (release, is_killed) in [(3, false), (4, true)] {
        let ill = app
            .clone()
            .next()
            .env("FAKE_SICK", "{shared_dir}/state/illness")
            .env("TURN", &release.to_string());
        let mut deploy = ill.deploy("bake_time", "\"60s\"").start_deploy(&mainstay, &["--json"]);
        deploy.wait_for_phase("bake");
        if is_killed {
            mainstay.kill_keeper();
        }
        let illness = mainstay.shared(&app.site()).join("state/illness");
        fs::write(&illness, "unready").expect("the shared folder");
        let said = deploy.wait().expect_code(3);
        fs::remove_file(&illness).expect("removed");
        assert_eq!(mainstay.serving(&app.site()), 2, "{said}");
        assert_eq!(begun(), ["late 1", "late 2"], "release {release} was taken back\n{said}");
        let late = mainstay.instances(&app.site()).into_keys().filter(|name| name.starts_with("late."));
        assert_eq!(late.collect::<Vec<_>>(), ["late.2.1"], "it worked on");
    }
}
