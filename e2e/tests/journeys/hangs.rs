//! Hung is not dead: the keeper or the edge is stopped by SIGSTOP under load. Each is replaced; a hung keeper fails nothing,
//! a hung edge what it held.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use testkit::{
    Load, Mainstay,
    mainstay::processes::{is_alive, signal},
    wait,
};

use crate::{held::at_most, judge, serving_fake};

/// What the keeper gets in these journeys; 20 s otherwise.
const WATCHDOG: Duration = Duration::from_secs(5);
/// How long the edge may be silent while connections wait, and then some for a busy machine.
const EDGE_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_stopped_keeper_is_replaced_and_fails_nothing() {
    let (mut mainstay, app) = serving_fake();
    mainstay.kill_up();
    mainstay.watch_every(WATCHDOG);
    mainstay.up();
    let judge = judge(&mainstay, &app, Load::requests());
    let (instances, edge, keeper) =
        (mainstay.instances(&app.site()), mainstay.edge_pid(), mainstay.keeper_pid());
    let since = |mainstay: &Mainstay| mainstay.status(&app.site())["services"][0]["instances"].clone();
    let since_of = |instances: &serde_json::Value| {
        let all = instances.as_array().cloned().unwrap_or_default();
        all.into_iter().map(|instance| instance["since"].clone()).collect::<Vec<_>>()
    };
    let before = since_of(&since(&mainstay));
    signal(keeper, Signal::STOP);
    let said = mainstay.cli(&["status", "--app", "fake"]).expect_code(1);
    assert!(said.err.contains("[keeper-hung]") && said.err.contains("ask again"), "{said}");
    wait::until("the stopped keeper is ended", WATCHDOG * 6, || !is_alive(keeper));
    assert!(mainstay.log_text().contains("it gets SIGABRT"), "by its watchdog");
    assert_ne!(mainstay.keeper_pid(), keeper, "and another one took its place");
    judge.wait_answers(100);
    assert_eq!(mainstay.instances(&app.site()), instances, "the next keeper adopts what it finds");
    assert_eq!(mainstay.edge_pid(), edge, "and the edge");
    assert_eq!(since_of(&since(&mainstay)), before, "an instance is as old as it is, not as its keeper");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn a_stopped_edge_is_replaced_and_refuses_nobody() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    let instances = mainstay.instances(&app.site());
    let edge = mainstay.edge_pid();
    let load = Load::requests();
    // Each client loses at most what it had under way; one that sleeps on its connection finds it closed.
    let held = judge.open_now() + load.pausing + load.short + load.slow + load.writers;
    let began = Instant::now();
    signal(edge, Signal::STOP);
    wait::until("another edge serves", EDGE_LIMIT, || {
        let machine = mainstay.api("/v1/machine").unwrap_or_default();
        machine["edge"]["pid"].as_u64().is_some_and(|pid| pid != u64::from(edge))
    });
    println!("replaced after {:.1} s", began.elapsed().as_secs_f64());
    assert!(!is_alive(edge), "a stopped process does not hear SIGABRT before it is woken");
    assert_eq!(mainstay.api("/v1/machine").expect("it answers")["edge_hung"], 1);
    let words = mainstay.cli(&["status", "--machine"]).expect_code(0).out;
    assert!(words.contains("hung and was replaced 1 time"), "{words}");
    at_most(judge, held, &mainstay, &app);
    assert_eq!(mainstay.instances(&app.site()), instances, "no instance was touched");
}
