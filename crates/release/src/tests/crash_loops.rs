//! A release that is well in its bake and falls into a crash loop later.

use std::time::Duration;

use model::manifest::OnCrashLoop;
use tokio::time::sleep;

use super::rig::{Rig, manifest, site};
use crate::crash_loop::OURSELVES;

/// Release 2 loops ten minutes after its start, long after its bake; which release serves a while later.
async fn after_a_loop(on_crash_loop: OnCrashLoop) -> Rig {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = manifest(&shop, "loops-after:600");
    next.services.values_mut().for_each(|service| service.restart.on_crash_loop = on_crash_loop);
    rig.deploy(&next, "two").await;
    assert_eq!(rig.serving(&shop).await, Some(2));
    sleep(Duration::from_secs(900)).await;
    rig.settled(&shop).await;
    rig.check(&shop).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_left_where_the_manifest_says_so() {
    let shop = site("shop/production");
    let rig = after_a_loop(OnCrashLoop::Rollback).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    let last = rig.handle(&shop).status().await.unwrap().last.unwrap();
    assert_eq!((last.verb.as_str(), last.operator.as_str()), ("rollback", OURSELVES));
    let why = last.reason.expect("the record says why");
    assert!(why.message.starts_with("web.2.1 ended") && why.message.contains("since release 2"), "{why}");
    for told in ["the last end of web.2.1: exit 1", "the last line of its log: "] {
        assert!(why.causes.iter().any(|cause| cause.starts_with(told)), "{told}: {why}");
    }
    // What it returned to is not returned from, and the next deploy goes on as ever.
    assert!(rig.handle(&shop).status().await.unwrap().paused.is_none());
    rig.deploy(&manifest(&shop, "good"), "three").await;
    assert_eq!(rig.serving(&shop).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_only_tried_on_where_it_does_not() {
    let rig = after_a_loop(OnCrashLoop::Retry).await;
    assert_eq!(rig.serving(&site("shop/production")).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_first_release_in_a_crash_loop_has_nothing_to_return_to() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut first = manifest(&shop, "loops-after:600");
    first.services.values_mut().for_each(|service| service.restart.on_crash_loop = OnCrashLoop::Rollback);
    rig.deploy(&first, "one").await;
    sleep(Duration::from_secs(900)).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    assert_eq!(rig.handle(&shop).status().await.unwrap().last.unwrap().verb, "deploy");
}

fn looping_after(shop: &model::Site, seconds: u64) -> model::manifest::Manifest {
    let mut manifest = manifest(shop, &format!("loops-after:{seconds}"));
    manifest.services.values_mut().for_each(|service| service.restart.on_crash_loop = OnCrashLoop::Rollback);
    manifest
}

#[tokio::test(start_paused = true)]
async fn a_return_never_leads_forward_to_what_a_person_has_left() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.deploy(&looping_after(&shop, 200), "two").await;
    rig.deploy(&manifest(&shop, "good"), "three").await;
    rig.settled(&shop).await;
    rig.rollback(&shop, Some(2)).await;
    assert_eq!(rig.serving(&shop).await, Some(2));
    sleep(Duration::from_secs(600)).await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_changed_nothing_does_not_keep_a_loop() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.deploy(&looping_after(&shop, 600), "two").await;
    rig.deploy(&looping_after(&shop, 600), "two").await;
    sleep(Duration::from_secs(900)).await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
}
