//! Traces of the simulated deploy machine, told again by real processes: the same acts, the same faults at the same places,
//! and after each step the same exit code, the same release that serves, the same phases. What the model says stands in
//! `replays.json`, which the room `release` writes and checks (its test `replays`). The short form replays three,
//! `MAINSTAY_TEST_SEED=N` the one of that seed.

use std::{fs, time::Duration};

use serde_json::Value;
use testkit::{FakeApp, Mainstay, mainstay::processes::kill, wait};

use crate::serving_fake;

const TRACES: &str = include_str!("replays.json");
const SHORT: usize = 3;
/// After a fault or a deploy: until everything that should run is ready and nothing drains.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn real_processes_do_what_the_simulated_ones_did() {
    if !cfg!(debug_assertions) {
        println!("a release build dies nowhere by itself");
        return;
    }
    let kept: Value = serde_json::from_str(TRACES).expect("it is written by a test");
    let traces = kept["traces"].as_array().expect("it is written by a test");
    let seed = std::env::var("MAINSTAY_TEST_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let is_long = crate::is_long() || seed.is_some();
    let is_wanted = |trace: &&Value| seed.is_none_or(|seed| trace["seed"].as_u64() == Some(seed));
    let wanted: Vec<&Value> =
        traces.iter().filter(is_wanted).take(if is_long { traces.len() } else { SHORT }).collect();
    assert!(!wanted.is_empty(), "no trace that was chosen has the seed {seed:?}");
    let apart: Vec<String> = wanted.iter().flat_map(|trace| replay(trace)).collect();
    println!(
        "{} traces replayed, of {} that were chosen from {} seeds: the others have a fault that no real process can be given, or too few",
        wanted.len(),
        traces.len(),
        kept["considered"],
    );
    assert!(apart.is_empty(), "model and processes part:\n{}", apart.join("\n"));
}

/// Where real processes did something else than the model said.
fn replay(trace: &Value) -> Vec<String> {
    let (mut mainstay, app) = serving_fake();
    let app = app.deploy("health_timeout", "\"10s\"").deploy("bake_time", "\"4s\"");
    let mut releases = app.clone();
    let mut apart = Vec::new();
    for (at, step) in trace["steps"].as_array().into_iter().flatten().enumerate() {
        releases = releases.next();
        let place = break_something(&mut mainstay, &app, text(step, "fault"));
        let (code, phases) = act(&mainstay, &releases, text(step, "act"));
        settled(&mainstay, &app);
        let died = place.as_ref().is_some_and(|place| !mainstay.is_deadly(place));
        place.iter().for_each(|place| mainstay.spare_at(place));
        let serving = mainstay.serving(&app.site());
        let what =
            format!("seed {} step {at}: {}, {}", trace["seed"], text(step, "fault"), text(step, "act"));
        println!("{what}: exit {code}, {serving} serves, died: {died}");
        for (name, real) in [
            ("code", Value::from(code)),
            ("serving", Value::from(serving)),
            ("died", Value::from(died)),
            ("phases", Value::from(phases)),
        ] {
            if step[name] != real {
                apart.push(format!("{what}: {name}: the model says {}, it was {real}", step[name]));
            }
        }
    }
    mainstay.down();
    apart
}

fn text<'a>(step: &'a Value, name: &str) -> &'a str {
    step[name].as_str().expect("it is written by a test")
}

/// Breaks it, or says where the keeper will die.
fn break_something(mainstay: &mut Mainstay, app: &FakeApp, fault: &str) -> Option<String> {
    match fault {
        "none" => {}
        "edge dies" => mainstay.kill_edge(),
        "instances crash" => mainstay.instances(&app.site()).into_values().for_each(kill),
        "power cut" => {
            mainstay.lose_power();
            mainstay.up();
        }
        other => {
            let place = other.strip_prefix("keeper dies at ").expect("a fault of the model");
            let place = format!("deploy-{place}");
            mainstay.die_at(&place);
            return Some(place);
        }
    }
    settled(mainstay, app);
    None
}

/// The exit code, and the phases that were entered.
fn act(mainstay: &Mainstay, app: &FakeApp, act: &str) -> (i32, Vec<String>) {
    let said = match act.split_once(' ') {
        Some(("deploy", behaviour)) => deploy(mainstay, app, behaviour),
        _ => mainstay.cli_in(app.folder(), &[act, "--json"]),
    };
    let entered = |line: Value| Some(line["kind"]["entered"]["phase"].as_str()?.to_owned());
    (said.code, said.json_lines().into_iter().filter_map(entered).collect())
}

fn deploy(mainstay: &Mainstay, app: &FakeApp, behaviour: &str) -> testkit::mainstay::Said {
    let app = app.clone();
    let app = match behaviour {
        "good" => app,
        "slow:2" => app.env("FAKE_BOOT_DELAY_MS", "2000"),
        "throws" => app.env("FAKE_BOOT", "throw"),
        "never-up" => app.env("FAKE_BOOT", "never-listen"),
        "never-ready" => app.env("FAKE_READY_AFTER_MS", "600000"),
        "unready-after:12" => app.env("FAKE_SICK", "{shared_dir}/state/illness"),
        other => panic!("no setting of the fake app is {other}"),
    };
    let mut deploy = app.start_deploy(mainstay, &["--json"]);
    let illness = mainstay.shared(&app.site()).join("state/illness");
    if behaviour.starts_with("unready") {
        wait::until("it bakes, or ends before", SETTLED_WITHIN, || {
            deploy.has_entered("bake") || deploy.has_ended()
        });
        fs::write(&illness, "unready").expect("the shared folder");
    }
    let said = deploy.wait();
    let _ = fs::remove_file(illness);
    said
}

/// What serves is ready, and nothing else is there.
fn settled(mainstay: &Mainstay, app: &FakeApp) {
    wait::until("what serves is ready and alone", SETTLED_WITHIN, || {
        let Some(status) = mainstay.api(&format!("/v1/apps/{}/status", app.site())) else { return false };
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let is_live = |service: &Value| {
            let instances = service["instances"].as_array().cloned().unwrap_or_default();
            service["state"] == "live" && instances.iter().all(|instance| instance["ready"] == true)
        };
        status["deploy"].is_null() && !services.is_empty() && services.iter().all(is_live)
    });
}
