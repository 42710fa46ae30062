//! Journey 24: another build takes over beside a site that serves. Its keeper adopts every instance and puts an edge of its own
//! in the place of the one that runs, under load, with nothing failed.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use testkit::{
    FakeApp, Load, Mainstay, Report,
    mainstay::processes::{is_alive, kill},
    wait,
};

use crate::{held::stream, judge, serving_fake};

/// From the end of the keeper before until another edge serves.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(90);

/// Streams of five seconds, so that every edge holds some when it is told to drain.
fn load() -> Load {
    Load { streams: 12, events: 20, websockets: 5, ..Load::mixed() }
}

/// `mainstay up` and its keeper end, the site serves on, and `binary` is started in their place.
fn replace_with(mainstay: &mut Mainstay, binary: &Path) {
    without_a_keeper(mainstay);
    mainstay.run_from(binary.to_owned());
    mainstay.up();
}

/// `mainstay up` and its keeper die.
fn without_a_keeper(mainstay: &mut Mainstay) {
    let keeper = mainstay.keeper_pid();
    mainstay.kill_up();
    kill(keeper);
    wait::until("the keeper is gone", TAKES_OVER_WITHIN, || !is_alive(keeper));
}

fn ended(edge: u32) {
    wait::until("the edge of before has drained and ended", TAKES_OVER_WITHIN, || !is_alive(edge));
}

fn finish(judge: testkit::Judge, mainstay: &Mainstay, app: &FakeApp) -> Report {
    let report = judge.finish(Some(&app.ledger(mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
    report
}

#[test]
fn a_keeper_of_another_build_replaces_the_edge_and_nothing_fails() {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let instances = mainstay.instances(&app.site());
    let first = mainstay.edge_pid();
    let other = mainstay.another_build("second");
    replace_with(&mut mainstay, &other);
    let second = mainstay.edge_pid();
    assert_ne!(first, second, "an edge of the new build serves");
    judge.wait_answers(300);
    ended(first);
    judge.wait_answers(300);
    // The same build again changes nothing, and the build of before is another one once more.
    mainstay.kill_keeper();
    assert_eq!(mainstay.edge_pid(), second, "an edge of the same build is adopted");
    replace_with(&mut mainstay, &testkit::binaries::path("mainstay"));
    judge.wait_answers(300);
    ended(second);
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
    finish(judge, &mainstay, &app);
    mainstay.down();
}

#[test]
fn settings_of_machine_toml_are_taken_up_by_another_edge_and_nothing_fails() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let first = mainstay.edge_pid();
    let file = mainstay.data().join("machine.toml");
    let text = std::fs::read_to_string(&file).expect("machine.toml");
    std::fs::write(&file, format!("{text}\n[edge]\nheaders_max = 50\n")).expect("written");
    mainstay.kill_keeper();
    assert_ne!(mainstay.edge_pid(), first, "an edge with the new settings serves");
    assert_eq!(pending(&mainstay), json!([]));
    judge.wait_answers(300);
    ended(first);
    let many: Vec<_> = (0..60).map(|n| format!("x-{n}: 1")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let answer = testkit::http::ask(mainstay.http(), app.host_name(), "GET", "/version", &many, &[]);
    assert_eq!(answer.expect("an answer").status, 431, "it goes by them");
    finish(judge, &mainstay, &app);
}

/// The old release's streams are held by the old edge alone: DRAIN waits for both.
#[test]
fn a_deploy_goes_on_across_a_replacement_and_stops_no_instance_that_the_old_edge_holds_a_stream_to() {
    for phase in ["bake", "drain"] {
        let (mut mainstay, app) = serving_fake();
        let held = stream(&mainstay, &app, 50);
        let judge = judge(&mainstay, &app, load());
        let (old, first) = (mainstay.instances(&app.site()), mainstay.edge_pid());
        judge.expect_any();
        let next = app.clone().next().deploy("bake_time", "\"3s\"");
        let mut deploy = next.start_deploy(&mainstay, &["--json"]);
        deploy.wait_for_phase(phase);
        let other = mainstay.another_build("second");
        replace_with(&mut mainstay, &other);
        assert_ne!(mainstay.edge_pid(), first, "an edge of the new build serves");
        assert!(!held.has_ended(), "the stream outlives the replacement");
        // Looked at before it is asked whether the stream goes on: who is gone then was stopped under it.
        let mut gone = std::collections::BTreeSet::new();
        loop {
            let dead: Vec<_> = old.iter().filter(|(_, pid)| !is_alive(**pid)).map(|(name, _)| name).collect();
            if held.has_ended() {
                break;
            }
            gone.extend(dead);
            std::thread::sleep(Duration::from_millis(20));
        }
        let by = held.whole();
        assert!(!gone.contains(&by), "{phase}: {by} was stopped under its stream");
        deploy.wait().expect_code(0);
        assert_eq!(mainstay.serving(&app.site()), 2, "{phase}: it was not taken back");
        wait::until("the old release is stopped", TAKES_OVER_WITHIN, || {
            old.values().all(|pid| !is_alive(*pid))
        });
        ended(first);
        judge.expect_release(2);
        judge.wait_answers(200);
        finish(judge, &mainstay, &app);
        mainstay.down();
    }
}

#[test]
fn a_down_while_an_edge_drains_lets_its_stream_end_and_leaves_nothing() {
    let (mut mainstay, app) = serving_fake();
    let held = stream(&mainstay, &app, 40);
    let first = mainstay.edge_pid();
    let other = mainstay.another_build("second");
    replace_with(&mut mainstay, &other);
    assert!(is_alive(first) && mainstay.edge_pid() != first, "it drains beside the one that serves");
    mainstay.down_within(Duration::from_secs(60));
    held.whole();
    mainstay.up();
    wait::until("what was served is served again", TAKES_OVER_WITHIN, || {
        mainstay.get(app.host_name(), "/health").is_ok_and(|answer| answer.status == 200)
    });
    mainstay.down();
}

/// Nobody is left above the two edges, and the listeners are theirs alone.
#[test]
fn two_edges_left_by_a_keeper_that_died_without_a_parent_are_made_one_by_the_next() {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let instances = mainstay.instances(&app.site());
    for place in ["edge-ready", "edge-now"] {
        let first = mainstay.edge_pid();
        let other = mainstay.another_build(place);
        without_a_keeper(&mut mainstay);
        mainstay.run_from(other);
        mainstay.die_at(place);
        mainstay.spawn_keeper().wait().expect("own child");
        assert!(!mainstay.is_deadly(place), "it died at {place}");
        assert_eq!((is_alive(first), edges(&mainstay)), (true, 2), "{place}");
        judge.wait_answers(200);
        mainstay.up();
        assert_ne!(mainstay.edge_pid(), first, "{place}: the one of the new build serves");
        assert_eq!(pending(&mainstay), json!([]), "{place}");
        ended(first);
        wait::until("one edge is left", TAKES_OVER_WITHIN, || edges(&mainstay) == 1);
        judge.wait_answers(200);
    }
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
    finish(judge, &mainstay, &app);
    mainstay.down();
}

/// In the long form the build of before is the newest tag's, which may not read what this one writes.
#[test]
fn the_build_of_before_is_upgraded_from_and_gone_back_to_or_refuses_in_words() {
    let of_tag = std::env::var_os("MAINSTAY_TEST_TAG_BINARY").map(std::path::PathBuf::from);
    let this = testkit::binaries::path("mainstay");
    let folder = tempfile::tempdir().expect("a folder");
    let before = of_tag.unwrap_or_else(|| {
        let copy = folder.path().join("before");
        let bytes = [std::fs::read(&this).expect("the binary"), b"before".to_vec()].concat();
        std::fs::write(&copy, bytes).expect("written");
        std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own");
        copy
    });
    let mut mainstay = Mainstay::start_from(before.clone());
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = judge(&mainstay, &app, load());
    let (instances, first) = (mainstay.instances(&app.site()), mainstay.edge_pid());
    replace_with(&mut mainstay, &this);
    let second = mainstay.edge_pid();
    assert_ne!(first, second, "an edge of this build serves");
    judge.wait_answers(300);
    ended(first);
    without_a_keeper(&mut mainstay);
    mainstay.run_from(before);
    mainstay.spawn_up();
    let is_refused = wait::value("the build of before serves or says why not", TAKES_OVER_WITHIN, || {
        let serves = mainstay.api("/v1/machine").is_some_and(|machine| machine["has_parent"] == true);
        let refuses = mainstay.log_text().contains("newer Mainstay");
        (serves || refuses).then_some(refuses)
    });
    println!("the build of before {}", if is_refused { "refuses" } else { "serves again" });
    judge.wait_answers(200);
    if is_refused {
        assert!(is_alive(second), "nothing was stopped");
        mainstay.kill_up();
        mainstay.run_from(this);
        mainstay.up();
    }
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
    finish(judge, &mainstay, &app);
    mainstay.down();
}

/// The steps of a replacement, each of which a keeper may not outlive.
const STEPS: [&str; 5] = ["edge-folder", "edge-started", "edge-ready", "edge-now", "edge-told"];

#[test]
fn a_keeper_killed_at_each_step_of_a_replacement_leaves_one_edge_that_serves() {
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let builds = [mainstay.another_build("second"), testkit::binaries::path("mainstay")];
    for (step, build) in STEPS.iter().zip(builds.iter().cycle()) {
        let before = mainstay.edge_pid();
        mainstay.die_at(step);
        replace_with(&mut mainstay, build);
        wait::until(&format!("a keeper died at {step}"), TAKES_OVER_WITHIN, || !mainstay.is_deadly(step));
        wait::until(&format!("after {step} another edge serves alone"), TAKES_OVER_WITHIN, || {
            let machine = mainstay.api("/v1/machine").unwrap_or_default();
            let pid = machine["edge"]["pid"].as_u64();
            pid.is_some_and(|pid| pid != u64::from(before)) && machine["edges_draining"].is_null()
        });
        assert_eq!(pending(&mainstay), json!([]), "after {step}");
        assert_eq!(edges(&mainstay), 1, "after {step}");
        judge.wait_answers(200);
    }
    finish(judge, &mainstay, &app);
    mainstay.down();
}

#[test]
fn every_step_of_a_replacement_at_which_a_keeper_can_die_is_killed_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/mainstay/src/keeper/data_plane");
    let mut places = Vec::new();
    for source in std::fs::read_dir(folder).expect("the sources").flatten() {
        let text = std::fs::read_to_string(source.path()).expect("a source");
        let after = text.split("failpoint::hit(\"").skip(1);
        places.extend(after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    places.sort();
    let mut steps = STEPS;
    steps.sort_unstable();
    assert_eq!(places, steps);
}

#[test]
fn an_edge_that_does_not_come_to_serve_is_given_up_and_the_one_before_serves_on() {
    if !cfg!(debug_assertions) {
        println!("a release build has no planted defects: nothing to give up");
        return;
    }
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let first = mainstay.edge_pid();
    mainstay.run_with(Some(("PLANTED_DEFECT", "never-ready-edge")));
    let other = mainstay.another_build("second");
    replace_with(&mut mainstay, &other);
    assert_eq!(mainstay.edge_pid(), first, "the edge of before serves");
    let said = pending(&mainstay).to_string();
    assert!(said.contains("of another build") && said.contains("does not say that it is ready"), "{said}");
    judge.wait_answers(300);
    wait::until("the one that was given up has ended", TAKES_OVER_WITHIN, || edges(&mainstay) == 1);
    judge.wait_answers(100);
    // Mended, it takes the place.
    mainstay.run_with(None);
    replace_with(&mut mainstay, &other);
    assert_ne!(mainstay.edge_pid(), first);
    assert_eq!(pending(&mainstay), json!([]));
    ended(first);
    finish(judge, &mainstay, &app);
}

#[test]
fn a_new_edge_killed_before_it_serves_is_started_again_and_nothing_of_the_old_one_fails() {
    let (mut mainstay, app) = serving_fake();
    let first = mainstay.edge_pid();
    let judge = judge(&mainstay, &app, load());
    let other = mainstay.another_build("second");
    let run = mainstay.run_folder().display().to_string();
    let is_edge = move |line: &str| line.contains("edge --settings") && line.contains(&run);
    without_a_keeper(&mut mainstay);
    mainstay.run_from(other);
    mainstay.spawn_up();
    let new = wait::value("a second edge begins", TAKES_OVER_WITHIN, || {
        let all = mainstay.processes().into_iter();
        all.filter(|(pid, line)| is_edge(line) && *pid != first).map(|(pid, _)| pid).next()
    });
    kill(new);
    wait::until("another one serves", TAKES_OVER_WITHIN, || {
        let machine = mainstay.api("/v1/machine").unwrap_or_default();
        machine["edge"]["pid"].as_u64().is_some_and(|pid| pid != u64::from(first) && pid != u64::from(new))
    });
    judge.wait_answers(200);
    ended(first);
    // What the killed one had accepted already went with it; what the other held did not.
    crate::held::at_most(judge, load().short + load().slow + load().streams, &mainstay, &app);
}

#[test]
fn the_next_versions_formats_are_refused_by_this_one_and_the_site_serves_on() {
    if !cfg!(debug_assertions) {
        println!("a release build has no next version: nothing to refuse");
        return;
    }
    let (mut mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, load());
    let this = testkit::binaries::path("mainstay");
    let next = mainstay.another_build("next");
    let first = mainstay.edge_pid();
    mainstay.run_with(Some(("MAINSTAY_FORMATS_PLUS", "1")));
    replace_with(&mut mainstay, &next);
    assert_ne!(mainstay.edge_pid(), first, "it reads what this version wrote");
    judge.expect_any();
    app.clone().next().deploy_to(&mainstay, &[]).expect_code(0);
    judge.expect_release(2);
    let books = mainstay.data().join("apps").join(app.site()).join("state.json");
    ended(first);
    wait::until("the old release is gone", TAKES_OVER_WITHIN, || mainstay.instances(&app.site()).len() == 2);
    let (edge, instances) = (mainstay.edge_pid(), mainstay.instances(&app.site()));
    without_a_keeper(&mut mainstay);
    let written = std::fs::read_to_string(&books).expect("the books");
    assert!(written.contains("\"format\": 2"), "it writes its own");
    mainstay.run_with(None);
    mainstay.run_from(this);
    mainstay.spawn_up();
    wait::until("the older one says why it does not start", TAKES_OVER_WITHIN, || {
        mainstay.log_text().contains("newer Mainstay")
    });
    judge.wait_answers(200);
    assert_eq!(std::fs::read_to_string(&books).expect("the books"), written, "nothing was changed");
    assert!(is_alive(edge) && instances.values().all(|pid| is_alive(*pid)), "nothing was stopped");
    mainstay.kill_up();
    mainstay.run_with(Some(("MAINSTAY_FORMATS_PLUS", "1")));
    mainstay.run_from(next);
    mainstay.up();
    assert_eq!(mainstay.edge_pid(), edge, "it is its own edge that the newer one finds");
    judge.wait_answers(200);
    finish(judge, &mainstay, &app);
    mainstay.down();
}

fn pending(mainstay: &Mainstay) -> Value {
    mainstay.api("/v1/machine").map(|machine| machine["pending"].clone()).unwrap_or_default()
}

/// Processes that are edges.
fn edges(mainstay: &Mainstay) -> usize {
    mainstay.processes().values().filter(|line| line.contains("edge --settings")).count()
}
