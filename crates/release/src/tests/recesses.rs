//! `strategy = "recreate"`: what served is gone before its successor starts, and comes back where that fails. That the two
//! are never there at once is watched by the machine.

use std::time::Duration;

use api::deploy::{EventKind, Outcome, Phase};
use model::{
    Site, Span,
    manifest::{Manifest, Overlap, Smoke, Strategy},
};
use tokio::time::{Instant, sleep};

use super::{
    failpoint,
    machine::Machine,
    rig::{Ended, Rig, caller, manifest, migration, site},
};
use crate::{MigrateVerb, world::PoolId};

fn alone(shop: &Site, behaviour: &str) -> Manifest {
    let mut manifest = manifest(shop, behaviour);
    manifest.deploy.strategy = Strategy::Recreate;
    manifest.deploy.bake_time = Span::secs(8);
    manifest
}

fn with_schema(mut manifest: Manifest, schema: u64, command: &str, compatible_with: Option<u64>) -> Manifest {
    manifest.migrate = Some(migration(schema, command, compatible_with));
    manifest
}

fn smoke() -> Smoke {
    Smoke { get: "/".into(), host: None, status: 200, contains: None, first_event_within: None }
}

fn is_closed(machine: &Machine, shop: &Site) -> bool {
    machine.lock().tables[shop].1.maintenance.is_some()
}

fn report(ended: &Ended) -> Vec<String> {
    let Some(EventKind::Ended { report, .. }) = ended.events.last().map(|e| e.kind.clone()) else {
        panic!("no end")
    };
    report
}

#[tokio::test(start_paused = true)]
async fn the_old_release_is_gone_before_the_new_one_starts_and_the_downtime_is_told() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let first = rig.deploy(&alone(&shop, "good"), "one").await;
    assert!(!first.phases().is_empty() && report(&first).iter().all(|line| !line.contains("nobody")));
    rig.settled(&shop).await;
    let wanted = || rig.wanted(&alone(&shop, "slow:3"), "two");
    let plan = rig.handle(&shop).plan(wanted()).await.unwrap();
    assert_eq!(plan.warnings[0].code, "downtime");
    assert!(plan.warnings[0].causes.iter().any(|cause| cause.contains("not known yet")), "{plan:?}");

    let started = rig.begin(&alone(&shop, "slow:3"), "two").await.unwrap();
    while !is_closed(&rig.machine, &shop) {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(rig.serving(&shop).await, None, "what serves is said as it is");
    let began = Instant::now();
    while is_closed(&rig.machine, &shop) {
        sleep(Duration::from_millis(1)).await;
    }
    let downtime = began.elapsed();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
    assert!(ended.phases().contains(&Phase::Recess));
    let line = report(&ended).into_iter().find(|line| line.starts_with("nobody was served for")).unwrap();
    let told = line.split(' ').nth(4).unwrap();
    let seconds = Duration::from_secs_f64(told.parse().unwrap());
    assert!(seconds.abs_diff(downtime) < Duration::from_millis(500), "{told} told, {downtime:?} seen");
    let plan = rig.handle(&shop).plan(rig.wanted(&alone(&shop, "good"), "three")).await.unwrap();
    assert!(
        plan.warnings[0].causes.iter().any(|cause| cause.contains(&format!("took {told} s"))),
        "{plan:?}"
    );
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

/// What must never run twice starts with the rest here: its predecessor is gone like all of the old release.
#[tokio::test(start_paused = true)]
async fn every_deploy_has_its_recess_where_a_service_must_never_run_twice() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let with_singleton = || {
        let mut manifest = alone(&shop, "good");
        manifest.services.get_mut(&"worker".parse().unwrap()).unwrap().overlap = Overlap::Never;
        manifest
    };
    rig.deploy(&with_singleton(), "one").await;
    for (id, release) in [("two", 2), ("three", 3), ("four", 4)] {
        let ended = rig.deploy(&with_singleton(), id).await;
        assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(release)), "{:?}", ended.error);
        assert!(report(&ended).iter().any(|line| line.starts_with("nobody was served for")), "{ended:?}");
        rig.settled(&shop).await;
        let inner = rig.machine.lock();
        assert!(
            inner.instances.keys().all(|(_, name)| name.release.0 == release),
            "{:?}",
            inner.instances.keys()
        );
        assert_eq!(inner.broken_promises, Vec::<String>::new());
    }
    let broken = {
        let mut manifest = with_singleton();
        manifest.services.get_mut(&"worker".parse().unwrap()).unwrap().command = vec!["throws".into()];
        manifest
    };
    let ended = rig.deploy(&broken, "five").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Aborted, Some(4)));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_gate_starts_the_old_release_again() {
    for behaviour in ["throws", "never-ready", "500"] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&alone(&shop, "good"), "one").await;
        let mut two = alone(&shop, behaviour);
        two.deploy.smoke = vec![smoke()];
        let ended = rig.deploy(&two, "two").await;
        assert_eq!((ended.outcome, ended.serving), (Outcome::Aborted, Some(1)), "{behaviour}");
        assert_eq!(ended.error.as_ref().unwrap().now.as_deref(), Some("release 1 serves again"));
        assert!(report(&ended).iter().any(|line| line.contains("nobody was served for")), "{ended:?}");
        rig.settled(&shop).await;
        assert_eq!(rig.serving(&shop).await, Some(1));
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_bake_and_a_rollback_return_one_after_the_other() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&alone(&shop, "good"), "one").await;
    let ended = rig.deploy(&alone(&shop, "unready-after:6"), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)), "{:?}", ended.error);
    assert!(report(&ended).iter().any(|line| line.contains("nobody was served for")), "{ended:?}");
    rig.settled(&shop).await;
    rig.check(&shop).await;
    assert_eq!(rig.deploy(&alone(&shop, "good"), "three").await.outcome, Outcome::Served);
    let ended = rig.rollback(&shop, None).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(1)), "{:?}", ended.error);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_replaces_one_after_the_other_too() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&alone(&shop, "good"), "one").await;
    let started = rig.handle(&shop).restart(Default::default(), caller()).await.unwrap();
    let mut most = 0;
    while rig.handle(&shop).status().await.unwrap().deploy.is_some() {
        most = most.max(rig.machine.lock().instances.len());
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert_eq!(most, 3, "two of `web`, one `worker`, and none beside them");
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_gives_the_draining_release_its_requests_back() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&alone(&shop, "good"), "one").await;
    let web = PoolId { service: "web".parse().unwrap(), generation: 1 };
    rig.machine.lock().streams.insert(web, Instant::now() + Duration::from_secs(600));
    let started = rig.begin(&alone(&shop, "good"), "two").await.unwrap();
    while !is_closed(&rig.machine, &shop) {
        sleep(Duration::from_millis(10)).await;
    }
    rig.handle(&shop).cancel(caller()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "cancelled"));
    assert!(!is_closed(&rig.machine, &shop));
    let stopped = rig.machine.lock().stopped.clone();
    assert!(stopped.iter().all(|name| name.service.as_str() != "web"), "{stopped:?}");
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_breaking_migration_is_borne_and_its_way_back_is_a_persons() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_schema(alone(&shop, "good"), 1, "to:1", None), "one").await;
    let breaking = with_schema(alone(&shop, "never-ready"), 2, "to:2", None);
    let plan = rig.handle(&shop).plan(rig.wanted(&breaking, "two")).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.code == "no-way-back"), "{plan:?}");
    let ended = rig.deploy(&breaking, "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "release-not-ready"), "{:?}", ended.error);
    assert!(ended.error.unwrap().now.unwrap().contains("nobody is served"));
    assert!(is_closed(&rig.machine, &shop));
    // Neither a new keeper nor a reboot starts code that would break on the database.
    let rig = rig.next_keeper().await.reboot().await;
    while rig.handle(&shop).status().await.unwrap().held.is_none() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(rig.machine.lock().instances.is_empty());
    let started = rig.handle(&shop).migrate(MigrateVerb::Down, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Unchanged);
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    rig.check(&shop).await;
    let good = with_schema(alone(&shop, "good"), 2, "to:2", None);
    assert_eq!(rig.deploy(&good, "three").await.outcome, Outcome::Served);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_goes_on_with_a_mended_release() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_schema(alone(&shop, "good"), 1, "to:1", None), "one").await;
    let ended = rig.deploy(&with_schema(alone(&shop, "throws"), 2, "to:2", None), "two").await;
    assert_eq!(ended.outcome, Outcome::Held);
    let started = rig.handle(&shop).migrate(MigrateVerb::Retry, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Unchanged);
    let ended = rig.deploy(&with_schema(alone(&shop, "good"), 2, "to:2", None), "three").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(3)), "{:?}", ended.error);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_is_held_half_way_lets_the_old_release_serve_where_it_can() {
    for (compatible_with, serving) in [(Some(1), Some(1)), (None, None)] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with_schema(alone(&shop, "good"), 1, "to:1", None), "one").await;
        let ended = rig.deploy(&with_schema(alone(&shop, "good"), 3, "half:2", compatible_with), "two").await;
        assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "migration-held"));
        assert_eq!(rig.serving(&shop).await, serving);
        assert_eq!(is_closed(&rig.machine, &shop), serving.is_none());
    }
}

/// Dies after the `nth` record of a deploy that behaves so; the next keeper ends it. `None`: there are fewer records.
async fn dies_after(nth: u64, behaviour: &str, reboot: bool) -> Option<Ended> {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_schema(alone(&shop, "good"), 1, "to:1", Some(1)), "one").await;
    failpoint::set(nth);
    let two = with_schema(alone(&shop, behaviour), 2, "to:2", Some(1));
    let Ok(started) = rig.begin(&two, "two").await else {
        panic!("dies in the first records, which other tests look at");
    };
    if !rig.dies_under_way(&shop).await {
        return None;
    }
    let rig = rig.after_a_death(reboot).await;
    let ended = rig.follow(&shop, &started).await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, ended.serving, "after record {nth}: {:?}", ended.error);
    assert!(!is_closed(&rig.machine, &shop), "after record {nth}");
    rig.check(&shop).await;
    Some(ended)
}

#[tokio::test(start_paused = true)]
async fn a_keeper_or_a_machine_that_dies_in_a_recess_leaves_nobody_unserved() {
    for reboot in [false, true] {
        let mut outcomes = Vec::new();
        // Every third with the machine: what is started anew then is the same after most.
        for nth in (4..).step_by(if reboot { 3 } else { 1 }) {
            let Some(ended) = dies_after(nth, "good", reboot).await else { break };
            let expected = if ended.serving == Some(2) { Outcome::Served } else { Outcome::Aborted };
            assert_eq!(ended.outcome, expected, "after record {nth}");
            outcomes.push(ended.outcome);
        }
        assert!(outcomes.iter().filter(|o| **o == Outcome::Aborted).count() > 3, "{outcomes:?}");
        assert!(outcomes.iter().filter(|o| **o == Outcome::Served).count() > 3, "{outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_while_it_returns_from_a_recreated_release_ends_the_return() {
    for reboot in [false, true] {
        let mut returned = 0;
        for nth in 4.. {
            let Some(ended) = dies_after(nth, "unready-after:6", reboot).await else { break };
            returned += u32::from(ended.outcome == Outcome::RolledBack);
        }
        assert!(returned > 3, "only {returned} returns");
    }
}
