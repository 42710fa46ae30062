//! Journey 3: `kill -9` of each part under load. A keeper's death fails nothing; another's, at most what it held.

use std::{collections::BTreeMap, time::Duration};

use testkit::{
    FakeApp, Load, Mainstay,
    mainstay::processes::{is_alive, kill, parent},
    wait,
};

use crate::{
    SLOW_MIGRATION,
    held::{Held, at_most},
    judge, serving_fake,
};

/// How soon a killed instance is back.
const BACK_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn a_killed_keeper_fails_nothing() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let instances = mainstay.instances(&app.site());
    let edge = mainstay.edge_pid();
    for _ in 0..3 {
        mainstay.kill_keeper();
        judge.wait_answers(100);
    }
    assert_eq!(mainstay.instances(&app.site()), instances, "the next keeper adopts what it finds");
    assert_eq!(mainstay.edge_pid(), edge, "and the edge");
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
}

#[test]
fn a_site_that_was_adopted_can_be_deployed_scaled_and_stopped() {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    mainstay.kill_keeper();
    judge.expect_any();
    app.clone().next().deploy_to(&mainstay, &[]).expect_code(0);
    judge.expect_release(2);
    judge.wait_answers(100);
    let scaled = format!("web={}", mainstay.instances(&app.site()).len() + 1);
    mainstay.cli(&["scale", "--app", "fake", &scaled]).expect_code(0);
    wait::until("every instance takes requests, the new one too", BACK_LIMIT, || {
        let apps = mainstay.api("/v1/apps").unwrap_or_default();
        apps[0]["instances_ready"] == 3 && apps[0]["instances_wanted"] == 3
    });
    judge.wait_answers(100);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
    mainstay.down();
}

#[test]
fn a_killed_mainstay_up_leaves_the_site_serving_and_the_next_one_takes_over() {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let instances = mainstay.instances(&app.site());
    mainstay.kill_up();
    let has_parent =
        |mainstay: &Mainstay| mainstay.api("/v1/machine").map(|machine| machine["has_parent"] == true);
    wait::until("status says that nobody restarts the keeper", BACK_LIMIT, || {
        has_parent(&mainstay) == Some(false)
    });
    let said = mainstay.cli(&["status", "--machine"]).expect_code(0).out;
    assert_eq!(said.matches("nothing restarts the keeper").count(), 1, "{said}");
    judge.wait_answers(100);
    mainstay.up();
    wait::until("the next one has taken over", BACK_LIMIT, || has_parent(&mainstay) == Some(true));
    judge.wait_answers(100);
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
    mainstay.down();
}

#[test]
fn a_keeper_that_dies_with_its_parent_is_followed_by_one_that_fails_nothing() {
    is_followed(|mainstay| {
        let keeper = mainstay.keeper_pid();
        kill(keeper);
        wait::until("the keeper is gone", BACK_LIMIT, || !is_alive(keeper));
    });
}

#[test]
fn a_keeper_that_dies_while_it_hands_over_is_followed_by_one_that_fails_nothing() {
    is_followed(|mainstay| mainstay.die_at("handover"));
}

/// Nobody but the edge has the listeners then: the next keeper must get them from it, not bind new ones beside.
fn is_followed(die: impl FnOnce(&Mainstay)) {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let (instances, edge) = (mainstay.instances(&app.site()), mainstay.edge_pid());
    mainstay.kill_up();
    die(&mainstay);
    judge.wait_answers(100);
    mainstay.up();
    assert!(!mainstay.is_deadly("handover"), "nobody died there");
    judge.wait_answers(100);
    assert_eq!(mainstay.edge_pid(), edge, "the edge was not touched");
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
    mainstay.down();
}

#[test]
fn changed_addresses_are_told_and_not_half_taken_up() {
    let (mut mainstay, app) = serving_fake();
    let (edge, before) = (mainstay.edge_pid(), mainstay.http());
    let listeners = |mainstay: &Mainstay| mainstay.api("/v1/machine").map(|m| m["listeners"].clone());
    let bound = listeners(&mainstay);
    let other = testkit::mainstay::free_port();
    let file = mainstay.data().join("machine.toml");
    let text = std::fs::read_to_string(&file).expect("machine.toml");
    let changed = text.replacen(&format!("127.0.0.1:{}", before.port()), &format!("127.0.0.1:{other}"), 1);
    std::fs::write(&file, changed).expect("written");
    mainstay.kill_keeper();
    assert_eq!(mainstay.edge_pid(), edge, "the edge was not touched");
    assert_eq!(listeners(&mainstay), bound, "it says what serves");
    std::net::TcpStream::connect(("127.0.0.1", other))
        .expect_err("nobody waits where nobody would be served");
    mainstay.get(app.host_name(), "/version").expect("the old address serves");
    let said = mainstay.cli(&["status"]);
    assert!(said.all().contains("[listen] asks for"), "{said}");
    mainstay.down();
    mainstay.listen_on(other);
    mainstay.up();
    wait::until("the new address serves", BACK_LIMIT, || mainstay.get(app.host_name(), "/version").is_ok());
    assert_eq!(mainstay.api("/v1/machine").map(|m| m["pending"].clone()), Some(serde_json::json!([])));
    mainstay.down();
}

#[test]
fn logs_of_instances_that_ended_go_by_age_and_those_that_run_keep_theirs() {
    let (mainstay, app) = serving_fake();
    let logs = mainstay.data().join("apps").join(app.site()).join("logs");
    let (old, run) = (logs.join("web/web.9.1.log"), logs.join("run/run-old.log"));
    let living = logs.join("web/web.1.1.log");
    std::fs::create_dir_all(logs.join("run")).expect("made");
    for path in [&old, &run] {
        let file = std::fs::File::create(path).expect("made");
        let month = Duration::from_secs(30 * 24 * 3600);
        file.set_modified(std::time::SystemTime::now() - month).expect("dated");
    }
    mainstay.kill_keeper();
    wait::until("what is older than `[logs]` says is gone", BACK_LIMIT, || !old.exists() && !run.exists());
    assert!(living.exists(), "what runs keeps its log");
}

#[test]
fn a_killed_instance_fails_at_most_what_it_held_and_comes_back() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let (name, pid) = mainstay.instances(&app.site()).pop_first().expect("an instance");
    let held = Held::by(&mainstay, &name);
    kill(pid);
    comes_back(&mainstay, &app, &name, pid);
    held.at_most_of_it(&name, judge, &mainstay, &app);
}

#[test]
fn a_killed_shim_takes_its_instance_along_and_both_come_back() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let (name, pid) = mainstay.instances(&app.site()).pop_first().expect("an instance");
    let shim = parent(pid).expect("an instance has a parent");
    assert_ne!(shim, mainstay.keeper_pid(), "the parent of an app is its shim");
    let held = Held::by(&mainstay, &name);
    kill(shim);
    wait::until("the app dies with its shim", BACK_LIMIT, || !is_alive(pid));
    comes_back(&mainstay, &app, &name, pid);
    held.at_most_of_it(&name, judge, &mainstay, &app);
}

fn comes_back(mainstay: &Mainstay, app: &FakeApp, name: &str, old: u32) {
    wait::until(&format!("{name} is back and ready"), BACK_LIMIT, || {
        let status = mainstay.status(&app.site());
        let services = status["services"].as_array().cloned().unwrap_or_default();
        services.iter().flat_map(|service| service["instances"].as_array().cloned().unwrap_or_default()).any(
            |i| {
                i["name"] == name
                    && i["ready"] == true
                    && i["pid"].as_u64().is_some_and(|pid| pid != u64::from(old))
            },
        )
    });
}

#[test]
fn a_killed_edge_ends_what_it_held_and_refuses_nobody() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    // A client that sleeps on its connection holds one too: it finds it closed, or fails its next request.
    let held = judge.open_now() + Load::mixed().pausing + Load::mixed().short + Load::mixed().writers;
    let instances = mainstay.instances(&app.site());
    mainstay.kill_edge();
    at_most(judge, held, &mainstay, &app);
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
}

/// As when a container is killed: nobody saw how anything ended, and no release is to blame for it.
#[test]
fn a_bake_in_which_everything_dies_at_once_goes_on_and_its_release_serves() {
    let (mut mainstay, app) = serving_fake();
    let next = app.clone().next().deploy("bake_time", "\"12s\"");
    let mut deploy = next.start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("bake");
    let instances = mainstay.instances(&app.site());
    assert_eq!(instances.len(), 4, "those of both releases: {instances:?}");
    let edge = mainstay.edge_pid();
    let shims = instances.values().chain([&edge]).filter_map(|pid| parent(*pid));
    let all: Vec<u32> = [mainstay.keeper_pid()].into_iter().chain(shims).collect();
    mainstay.kill_up();
    all.into_iter().for_each(kill);
    wait::until("nothing is left", BACK_LIMIT, || {
        !instances.values().chain([&edge]).any(|pid| is_alive(*pid))
    });
    mainstay.up();
    let said = mainstay.cli(&["attach", "--app", "fake"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 2, "{said}");
    next.next().deploy_to(&mainstay, &[]).expect_code(0);
    mainstay.down();
}

/// The phases in which the keeper is killed, and how such a deploy may end.
const PHASES: [(&str, &[i32]); 8] = [
    // What is not switched is aborted.
    ("preflight", &[4]),
    ("stage", &[4]),
    // An adopted migration is waited for, and the deploy goes on.
    ("migrate", &[0]),
    ("start", &[4]),
    ("gate", &[4]),
    // The edge's word decides: it had switched, or the old pointer was made final.
    ("switch", &[0, 4]),
    ("bake", &[0]),
    ("drain", &[0]),
];

#[test]
fn a_keeper_killed_in_every_phase_of_a_deploy_fails_nothing_and_the_client_learns_the_end() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load { streams: 4, events: 8, websockets: 2, ..Load::requests() });
    // Long enough in start and gate to be met there.
    let mut next = app.clone().env("FAKE_BOOT_DELAY_MS", "1000").env("FAKE_READY_AFTER_MS", "1500");
    let mut ends = BTreeMap::new();
    for (phase, allowed) in PHASES {
        next = next.next();
        if phase == "migrate" {
            next = next.tables(SLOW_MIGRATION);
        }
        judge.expect_any();
        let before = mainstay.serving(&app.site());
        let keeper = mainstay.keeper_pid();
        let mut deploy = next.start_deploy(&mainstay, &["--json"]);
        deploy.wait_for_phase(phase);
        if phase == "migrate" {
            // Before its process runs the answer would be `aborted`: nothing has moved.
            let began = mainstay.shared(&app.site()).join("state/migrating");
            wait::until("the migration runs", BACK_LIMIT, || began.exists());
        }
        kill(keeper);
        let said = deploy.wait();
        let serving = mainstay.serving(&app.site());
        assert_ne!(mainstay.keeper_pid(), keeper, "another keeper ended the deploy");
        assert!(allowed.contains(&said.code), "killed in {phase}, ended with {}\n{said}", said.code);
        assert_eq!(serving != before, said.code == 0, "killed in {phase}: {before} -> {serving}\n{said}");
        judge.expect_release(serving);
        judge.wait_answers(50);
        ends.insert(phase, said.code);
    }
    println!("killed in each phase, and how it ended: {ends:?}");
    assert_eq!(ends.len(), PHASES.len(), "a phase in which nobody was killed is no proof");
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
}

/// Places too short to be met from outside, where the keeper kills itself, and how such a deploy may end.
const PLACES: [(&str, &[i32]); 5] = [
    ("deploy-plan", &[1]),
    ("deploy-lock", &[1]),
    // The run has gone on by then, to preflight or not.
    ("deploy-begun", &[1, 4]),
    // All that is left is to be said: the release serves.
    ("deploy-commit", &[0]),
    ("deploy-stop", &[0]),
];

#[test]
fn a_keeper_that_dies_in_the_shortest_phases_fails_nothing_and_the_client_learns_the_end() {
    if !cfg!(debug_assertions) {
        println!("a release build dies nowhere by itself");
        return;
    }
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load { streams: 4, events: 8, websockets: 2, ..Load::requests() });
    let mut next = app.clone();
    for (place, allowed) in PLACES {
        next = next.next();
        judge.expect_any();
        let (before, keeper) = (mainstay.serving(&app.site()), mainstay.keeper_pid());
        mainstay.die_at(place);
        let said = next.start_deploy(&mainstay, &["--json"]).wait();
        // What is stopped is stopped after the deploy's end, when the client is gone.
        wait::until(&format!("the keeper dies at {place}"), BACK_LIMIT, || !mainstay.is_deadly(place));
        wait::until("another one follows", BACK_LIMIT, || mainstay.keeper_pid() != keeper);
        let serving = mainstay.serving(&app.site());
        assert!(allowed.contains(&said.code), "died at {place}, ended with {}\n{said}", said.code);
        assert_eq!(serving != before, said.code == 0, "died at {place}: {before} -> {serving}\n{said}");
        judge.expect_release(serving);
        judge.wait_answers(50);
        wait::until("what does not serve is gone", BACK_LIMIT, || mainstay.instances(&app.site()).len() == 2);
    }
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn an_adopted_migration_that_hangs_ends_at_its_time_and_leaves_nothing() {
    let (mainstay, app) = serving_fake();
    let next = app.clone().next().tables(HANGS);
    let deploy = next.start_deploy(&mainstay, &["--json"]);
    let began = mainstay.shared(&app.site()).join("state/migrating");
    wait::until("the migration runs", BACK_LIMIT, || began.exists());
    mainstay.kill_keeper();
    let said = deploy.wait().expect_code(4);
    assert!(said.all().contains("did not end within its time"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 1, "the old release serves");
    let left = || {
        let processes = std::fs::read_dir(mainstay.run_folder().join("i")).expect("the run folder");
        let temporary = std::fs::read_dir(mainstay.data().join("tmp")).expect("the data folder");
        (processes.count(), temporary.count())
    };
    wait::until("two instances and the edge have folders, and nobody else", BACK_LIMIT, || left() == (3, 3));
}

/// A migration that would never end by itself, nor by SIGTERM to its first process alone.
const HANGS: &str = r#"
[migrate]
command = ["/bin/sh", "-c", "touch $STATE/migrating; sleep 1000; true"]
status_command = ["/bin/sh", "-c", "echo 0"]
timeout = "6s"
schema = 1
schema_min = 0
compatible_with = 0
env = { STATE = "{shared_dir}/state" }
"#;
