//! What an operator looks for after a bad night: how often something ended, since when it runs, and how it ended last.
//! No death of a keeper makes a crash loop look like health.

use std::time::Duration;

use serde_json::Value;
use testkit::{Mainstay, mainstay::processes::kill, wait};

use crate::serving_fake;

const SOON: Duration = Duration::from_secs(30);

fn instance(mainstay: &Mainstay, site: &str, name: &str) -> Value {
    let status = mainstay.status(site);
    let services = status["services"].as_array().cloned().unwrap_or_default();
    let mut instances = services.iter().flat_map(|s| s["instances"].as_array().cloned().unwrap_or_default());
    instances.find(|instance| instance["name"] == name).unwrap_or_default()
}

/// What must be the same whoever is asked.
fn told(instance: &Value) -> [&Value; 4] {
    ["restarts", "last_exit", "since", "pid"].map(|key| &instance[key])
}

fn killed(mainstay: &Mainstay, site: &str, name: &str, restarts: u64) -> Value {
    let before = instance(mainstay, site, name);
    kill(before["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("it runs"));
    wait::value("it runs again and its end is counted", SOON, || {
        let now = instance(mainstay, site, name);
        (now["state"] == "up" && now["pid"] != before["pid"] && now["restarts"] == restarts).then_some(now)
    })
}

fn edge_restarts(mainstay: &Mainstay) -> u64 {
    let machine = wait::value("the machine is told", SOON, || mainstay.api("/v1/machine"));
    machine["edge"]["restarts"].as_u64().expect("there is an edge")
}

#[test]
fn ends_are_counted_across_keepers_until_the_instance_is_started_on_purpose() {
    let (mut mainstay, app) = serving_fake();
    let site = app.site();
    let name = format!("web.{}.1", mainstay.serving(&site));
    killed(&mainstay, &site, &name, 1);
    let before = killed(&mainstay, &site, &name, 2);
    assert_eq!(before["last_exit"], "ended by SIGKILL");
    mainstay.kill_edge();
    assert_eq!(edge_restarts(&mainstay), 1);
    mainstay.kill_keeper();
    assert_eq!(told(&instance(&mainstay, &site, &name)), told(&before));
    assert_eq!(edge_restarts(&mainstay), 1, "the next keeper knows of the edge too");

    // Everybody who could count is away while it ends.
    let keeper = mainstay.keeper_pid();
    mainstay.kill_up();
    kill(keeper);
    kill(before["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("it runs"));
    mainstay.up();
    wait::until("an end that nobody saw is counted", SOON, || {
        instance(&mainstay, &site, &name)["restarts"] == 3
    });
    assert_eq!(edge_restarts(&mainstay), 1);

    mainstay.cli_in(app.folder(), &["restart"]).expect_code(0);
    let status = mainstay.status(&site);
    let live = status["services"][0]["instances"].as_array().cloned().expect("instances");
    assert!(live.iter().all(|instance| instance["restarts"] == 0), "{status:#}");
    mainstay.down();
}
