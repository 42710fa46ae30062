//! Who is named at the end of a deploy: an edge that says nothing is not the app, and what was killed does not serve.

use std::time::Duration;

use api::deploy::{EventKind, Outcome, Phase};
use model::{
    Span,
    manifest::{Manifest, Smoke},
};
use tokio::time::{Instant, sleep};

use super::{
    machine::Inner,
    rig::{Rig, manifest, site},
};

fn smoked(behaviour: &str) -> Manifest {
    let mut manifest = manifest(&site("shop/production"), behaviour);
    let get = "/".to_owned();
    manifest.deploy.smoke =
        vec![Smoke { get, host: None, status: 200, contains: None, first_event_within: None }];
    manifest
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_says_nothing_at_the_gate_is_what_the_end_names() {
    for behaviour in ["good", "never-ready"] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        let started = rig.begin(&manifest(&shop, behaviour), "two").await.unwrap();
        while rig.machine.lock().tables[&shop].1.pools.len() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        rig.machine.lock().silent_pools = u32::MAX;
        let ended = rig.follow(&shop, &started).await;
        assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "edge-silent"), "{behaviour}");
        let error = ended.error.unwrap();
        assert!(error.help.unwrap().contains("status --machine"), "{behaviour}");
        assert_eq!(error.now.as_deref(), Some("release 1 still serves all traffic"), "{behaviour}");
        rig.machine.lock().silent_pools = 0;
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_does_not_come_up_is_named_though_the_edge_says_nothing() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.machine.lock().silent_pools = u32::MAX;
    let ended = rig.deploy(&manifest(&shop, "never-up"), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "release-not-started"));
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_hangs_under_a_smoke_request_is_what_the_end_names() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&smoked("500"), "two").await.unwrap();
    while rig.machine.lock().smokes == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    rig.machine.lock().silent_pools = u32::MAX;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "edge-silent"));
    rig.machine.lock().silent_pools = 0;
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_is_away_while_a_release_bakes_takes_nothing_back() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = smoked("good");
    next.deploy.bake_time = Span::secs(60);
    let started = rig.begin(&next, "two").await.unwrap();
    while rig.handle(&shop).status().await.unwrap().deploy.map(|deploy| deploy.phase) != Some(Phase::Bake) {
        sleep(Duration::from_millis(100)).await;
    }
    rig.machine.lock().edge_away_until = Some(Instant::now() + Duration::from_secs(20));
    rig.machine.lock().foreign = 3;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
    let report = ended.events.iter().find_map(|event| match &event.kind {
        EventKind::Ended { report, .. } => Some(report.join("; ")),
        _ => None,
    });
    let told = report.unwrap();
    assert!(told.contains(", and 3 more were marked as another service's fault in its bake of"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_was_killed_meanwhile_is_not_said_to_serve() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "never-ready"), "two").await.unwrap();
    let machine = rig.machine.clone();
    let kills = tokio::spawn(async move {
        loop {
            kill_all_of_the_first(&mut machine.lock());
            sleep(Duration::from_millis(5)).await;
        }
    });
    let ended = rig.follow(&shop, &started).await;
    kills.abort();
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "release-not-ready"));
    let now = ended.error.unwrap().now.unwrap();
    assert_eq!(now, "requests go to release 1, of which no instance of web is up");
}

/// Whatever the supervisor has started again, too.
fn kill_all_of_the_first(inner: &mut Inner) {
    for ((_, name), instance) in &mut inner.instances {
        if name.release.0 == 1 && !instance.is_away() {
            instance.crash(0.5, 9_999);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_why_nothing_may_begin_and_needs_no_bytes() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let unsent = |manifest: &Manifest| {
        let digest = format!("sha256:{}", "0".repeat(64));
        let artifact = api::artifact::Artifact { digest, bytes: 9 };
        let what = crate::What::New { manifest: Box::new(manifest.clone()), artifact };
        crate::Wanted { what, wait: Duration::ZERO, drain_now: false }
    };
    let good = manifest(&shop, "good");
    let plan = rig.handle(&shop).plan(unsent(&good)).await.unwrap();
    assert!(plan.closed.is_none() && plan.errors.is_empty(), "a site that begins is open: {plan:?}");
    let started = rig.begin(&good, "one").await.unwrap();
    let plan = rig.handle(&shop).plan(unsent(&good)).await.unwrap();
    assert_eq!(plan.closed.map(|why| why.code).as_deref(), Some("locked"));
    rig.follow(&shop, &started).await;
    let plan = rig.handle(&shop).plan(unsent(&good)).await.unwrap();
    assert!(plan.closed.is_none() && !plan.changes.is_empty(), "{plan:?}");
    let refused = rig.handle(&shop).deploy(unsent(&good), super::rig::caller()).await.unwrap_err();
    assert_eq!(refused.explain.code, "artifact-missing");
}
