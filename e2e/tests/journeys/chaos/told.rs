//! `mainstay status` explains what is true, whatever is broken: asked all the time, and held against the edge's own word.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::mainstay::Said;

use super::world::World;
use crate::held::edge_status;

/// A command tells, or says why it cannot; a keeper that hangs is replaced within its watchdog.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// Between two times that a keeper told it.
const SILENCE_MAX: Duration = Duration::from_secs(45);
const EVERY: Duration = Duration::from_millis(500);

pub(super) fn watch(world: &World) {
    let (mut told_at, mut told, mut could_not) = (Instant::now(), 0, 0);
    while !world.is_over() {
        let before = release_of_edge(world);
        let began = Instant::now();
        let said = {
            let folder = world.mainstay().folder().to_owned();
            let asked = world.mainstay().spawn_in(&folder, &["--app", "fake", "status", "--json"]);
            asked.wait()
        };
        assert!(began.elapsed() < COMMAND_LIMIT, "it took {:?}: {said}", began.elapsed());
        if said.code == 0 {
            (told_at, told) = (Instant::now(), told + 1);
            explains(&said, before, release_of_edge(world));
        } else {
            could_not += 1;
            assert!(said.code == 1 && said.err.contains("error"), "it does not say what is wrong: {said}");
            assert!(told_at.elapsed() < SILENCE_MAX, "silent for {:?}: {said}", told_at.elapsed());
        }
        world.let_pass(EVERY);
    }
    assert!(told > 0, "nobody ever told how it is");
    println!("    status told {told} times how it is, and {could_not} times that no keeper answers");
}

/// What the edge says that it serves.
fn release_of_edge(world: &World) -> Option<u64> {
    let status = edge_status(&world.mainstay())?;
    let sites = status["served"]["sites"].as_array()?;
    sites.iter().find(|site| site["site"] == world.app.site().as_str())?["release"].as_u64()
}

fn explains(said: &Said, before: Option<u64>, after: Option<u64>) {
    let status: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said}"));
    if let Some(release) = before.filter(|_| before == after) {
        assert_eq!(status["serving"], release, "the edge says {release}: {said}");
    }
    let is_word = |value: &Value| value.as_str().is_some_and(|word| !word.is_empty());
    if let Some(deploy) = status["deploy"].as_object() {
        assert!(["verb", "phase", "operator", "since"].iter().all(|key| is_word(&deploy[*key])), "{said}");
    }
    assert!(status["paused"].is_null() || is_word(&status["paused"]), "{said}");
    assert!(status["held"].is_null() || is_word(&status["held"]["code"]), "{said}");
    let services = status["services"].as_array().cloned().unwrap_or_default();
    for service in &services {
        assert!(["candidate", "live", "draining"].iter().any(|state| service["state"] == *state), "{said}");
        for instance in service["instances"].as_array().into_iter().flatten() {
            assert!(is_word(&instance["state"]), "{said}");
            assert!(instance["pid"].is_u64() || instance["state"] != "up", "up, and no process: {said}");
        }
    }
}
