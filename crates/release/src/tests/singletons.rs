//! Services of which two may never run: the machine notes it as a broken promise where one is started beside another.

use std::time::Duration;

use api::{
    deploy::{EventKind, Outcome, Phase},
    jobs::{Restart, Scale},
};
use model::{
    ServiceName, Span,
    manifest::{Manifest, Overlap, StartAt},
};
use tokio::time::sleep;

use super::{
    failpoint,
    rig::{Rig, caller, manifest, site},
};
use crate::request::RefusedKind;

fn worker() -> ServiceName {
    "worker".parse().unwrap()
}

/// `web` beside a `worker` that must never run twice and behaves as said.
fn with_singleton(shop: &model::Site, behaviour: &str) -> Manifest {
    let mut manifest = manifest(shop, "good");
    manifest.deploy.bake_time = Span::secs(5);
    let worker = manifest.services.get_mut(&worker()).unwrap();
    worker.overlap = Overlap::Never;
    worker.command = vec![behaviour.into()];
    manifest
}

fn workers(rig: &Rig) -> Vec<String> {
    let inner = rig.machine.lock();
    inner
        .instances
        .keys()
        .map(|(_, n)| n)
        .filter(|n| n.service == worker())
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_old_one_is_gone_before_the_new_one_starts() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_singleton(&shop, "good"), "one").await;
    assert_eq!(workers(&rig), ["worker.1.1"]);
    let ended = rig.deploy(&with_singleton(&shop, "good"), "two").await;
    assert_eq!(ended.outcome, Outcome::Served);
    let order = [Phase::Gate, Phase::Switch, Phase::Relieve, Phase::Bake];
    assert!(ended.phases().windows(4).any(|phases| phases == order), "{:?}", ended.phases());
    let told = |words: &str| {
        ended.events.iter().any(|e| matches!(&e.kind, EventKind::Note { message, .. } if message == words))
    };
    assert!(told("worker.1.1 is stopped, worker.2.1 takes its place"), "{:#?}", ended.events);
    assert_eq!(workers(&rig), ["worker.2.1"]);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_becomes_one_and_ceases_to_be_one_without_two_of_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut two = manifest(&shop, "good");
    two.services.get_mut(&worker()).unwrap().instances = 2.try_into().unwrap();
    rig.deploy(&two, "one").await;
    rig.deploy(&with_singleton(&shop, "good"), "two").await;
    assert_eq!(workers(&rig), ["worker.2.1"]);
    // On the way out the one that forbids company is the old one.
    let ended = rig.deploy(&two, "three").await;
    assert!(ended.phases().contains(&Phase::Relieve));
    assert_eq!(workers(&rig), ["worker.3.1", "worker.3.2"]);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_does_not_come_up_is_undone() {
    for behaviour in ["never-up", "throws"] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with_singleton(&shop, "good"), "one").await;
        let ended = rig.deploy(&with_singleton(&shop, behaviour), "two").await;
        assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)), "{:?}", ended.error);
        assert_eq!(workers(&rig), ["worker.1.1"], "after {behaviour}");
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_return_from_the_bake_starts_the_old_one_again() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_singleton(&shop, "good"), "one").await;
    let ended = rig.deploy(&with_singleton(&shop, "crashes-after:6"), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::RolledBack, "release-crashed"));
    assert_eq!(workers(&rig), ["worker.1.1"]);
    rig.settled(&shop).await;
    rig.check(&shop).await;
    let ended = rig.deploy(&with_singleton(&shop, "good"), "three").await;
    assert_eq!(ended.outcome, Outcome::Served);
    let back = rig.rollback(&shop, None).await;
    assert_eq!((back.outcome, back.serving), (Outcome::Served, Some(1)));
    assert_eq!(workers(&rig), ["worker.1.1"]);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_replaces_it_and_a_scale_is_refused() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_singleton(&shop, "good"), "one").await;
    let handle = rig.handle(&shop);
    for which in [Some(worker()), None] {
        let started = handle.restart(Restart { service: which }, caller()).await.unwrap();
        assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
        rig.settled(&shop).await;
    }
    assert_eq!(workers(&rig).len(), 1);
    rig.check(&shop).await;
    let refused = handle.scale(Scale { service: worker(), instances: 2 }, caller()).await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Plan, "bad-scale"));
}

#[tokio::test(start_paused = true)]
async fn it_does_not_become_a_service_that_takes_requests() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_singleton(&shop, "good"), "one").await;
    let mut routed = manifest(&shop, "good");
    let web = routed.services[&"web".parse().unwrap()].clone();
    routed.services.insert(worker(), web);
    routed.routes.push(model::manifest::Route {
        service: worker(),
        path_prefix: "/w".into(),
        ..routed.routes[0].clone()
    });
    let ended = rig.deploy(&routed, "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "singleton-changes"));
    assert_eq!(workers(&rig), ["worker.1.1"]);
    rig.check(&shop).await;
}

/// A deploy of `behaviour` whose keeper dies after the `nth` record; `None`: there are fewer.
async fn dies_after(nth: u64, behaviour: &str, reboot: bool) -> Option<Outcome> {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_singleton(&shop, "good"), "one").await;
    rig.settled(&shop).await;
    failpoint::set(nth);
    let Ok(started) = rig.begin(&with_singleton(&shop, behaviour), "two").await else {
        failpoint::clear();
        return Some(Outcome::Aborted);
    };
    if !rig.dies_under_way(&shop).await {
        return None;
    }
    let rig = rig.after_a_death(reboot).await;
    let ended = rig.follow(&shop, &started).await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, ended.serving, "after record {nth}");
    let serving = ended.serving.unwrap();
    let all = workers(&rig);
    assert!(
        all.len() == 1 && all[0].starts_with(&format!("worker.{serving}.")),
        "{all:?} after record {nth}"
    );
    rig.check(&shop).await;
    Some(ended.outcome)
}

#[tokio::test(start_paused = true)]
async fn no_death_of_a_keeper_or_a_machine_lets_two_run() {
    for (behaviour, reboot) in [("good", false), ("good", true), ("crashes-after:6", false)] {
        let mut outcomes = Vec::new();
        for nth in 4.. {
            let Some(outcome) = dies_after(nth, behaviour, reboot).await else { break };
            outcomes.push(outcome);
        }
        assert!(outcomes.len() > 20, "only {} records were tried of {behaviour}", outcomes.len());
        let bad = if behaviour == "good" { Outcome::RolledBack } else { Outcome::Held };
        assert!(!outcomes.contains(&bad), "{behaviour}: {outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_moment_of_a_keepers_death_lets_two_run() {
    // Moments, not records: an old one is half stopped, a new one half started.
    for tenth in 0..140 {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with_singleton(&shop, "good"), "one").await;
        let started = rig.begin(&with_singleton(&shop, "good"), "two").await.unwrap();
        sleep(Duration::from_millis(tenth * 100 + 37)).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        assert!(matches!(ended.outcome, Outcome::Served | Outcome::Aborted), "{:?}", ended.error);
        rig.settled(&shop).await;
        assert_eq!(workers(&rig).len(), 1);
        rig.check(&shop).await;
    }
}

/// `worker`, of which two may run, waits for the end of the bake.
fn with_late_worker(shop: &model::Site, web: &str, behaviour: &str) -> Manifest {
    let mut manifest = manifest(shop, web);
    let worker = manifest.services.get_mut(&worker()).unwrap();
    worker.start_at = StartAt::AfterBake;
    worker.command = vec![behaviour.into()];
    manifest
}

#[tokio::test(start_paused = true)]
async fn a_late_worker_starts_when_the_bake_has_ended_and_the_old_one_works_until_then() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_late_worker(&shop, "good", "good"), "one").await;
    assert_eq!(workers(&rig), ["worker.1.1"]);
    let started = rig.begin(&with_late_worker(&shop, "good", "good"), "two").await.unwrap();
    while rig.handle(&shop).status().await.unwrap().deploy.is_some_and(|deploy| deploy.phase <= Phase::Bake) {
        assert_eq!(workers(&rig), ["worker.1.1"]);
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert_eq!(workers(&rig), ["worker.2.1"]);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_return_never_started_a_late_worker() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_late_worker(&shop, "good", "good"), "one").await;
    let ended = rig.deploy(&with_late_worker(&shop, "unready-after:12", "good"), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::RolledBack, "release-unready"));
    let inner = rig.machine.lock();
    assert!(inner.started_with.iter().all(|(name, _)| name.to_string() != "worker.2.1"));
    assert!(inner.stopped.iter().all(|name| name.service != worker()), "{:?}", inner.stopped);
}

#[tokio::test(start_paused = true)]
async fn a_late_worker_that_does_not_come_up_returns_the_release() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_late_worker(&shop, "good", "good"), "one").await;
    let ended = rig.deploy(&with_late_worker(&shop, "good", "throws"), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)), "{:?}", ended.error);
    rig.settled(&shop).await;
    assert_eq!(workers(&rig), ["worker.1.1"]);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn whenever_the_keeper_dies_late_workers_are_of_what_serves() {
    for (nth, reboot) in (16..32).map(|nth| (nth, nth % 2 == 0)) {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with_late_worker(&shop, "good", "good"), "one").await;
        failpoint::set(nth);
        let started = rig.begin(&with_late_worker(&shop, "good", "good"), "two").await.unwrap();
        if !rig.dies_under_way(&shop).await {
            return;
        }
        let rig = rig.after_a_death(reboot).await;
        let serving = rig.follow(&shop, &started).await.serving.unwrap();
        rig.settled(&shop).await;
        assert_eq!(workers(&rig), [format!("worker.{serving}.1")], "after record {nth}");
        rig.check(&shop).await;
    }
}
