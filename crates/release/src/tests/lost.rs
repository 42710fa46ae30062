//! Instances that go because their shims are killed, which is no doing of the release that bakes.

use std::time::Duration;

use api::{
    deploy::Started,
    deploy::{Outcome, Phase},
};
use model::{Site, Span};
use tokio::time::sleep;

use super::{
    instance::Behaviour,
    rig::{Rig, manifest, site},
};

const BAKE: u64 = 20;

/// A second release that bakes.
async fn baking(shop: &Site) -> (Rig, Started) {
    let rig = Rig::new().await;
    rig.deploy(&manifest(shop, "good"), "one").await;
    let mut next = manifest(shop, "good");
    next.deploy.bake_time = Span::secs(BAKE);
    let started = rig.begin(&next, "two").await.unwrap();
    for _ in 0..3_000 {
        let phase = rig.handle(shop).status().await.unwrap().deploy.map(|deploy| deploy.phase);
        if phase == Some(Phase::Bake) {
            return (rig, started);
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not bake")
}

/// Those of the second release; of both releases with `all`.
fn lose(rig: &Rig, all: bool) {
    let mut inner = rig.machine.lock();
    for (n, ((_, name), instance)) in (0..).zip(&mut inner.instances) {
        if all || name.release.0 == 2 {
            instance.lose(0.5, 9_000 + n);
        }
    }
    drop(inner);
    rig.machine.changes.send_modify(|n| *n += 1);
}

/// The second release serves in the end, and every promise is kept.
async fn goes_on(rig: &Rig, shop: &Site, started: &Started) {
    let ended = rig.follow(shop, started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
    rig.settled(shop).await;
    rig.check(shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_with_its_shim_convicts_nobody() {
    let shop = site("shop/production");
    let (rig, started) = baking(&shop).await;
    lose(&rig, false);
    goes_on(&rig, &shop, &started).await;
}

#[tokio::test(start_paused = true)]
async fn a_bake_in_which_everything_dies_at_once_goes_on() {
    let shop = site("shop/production");
    let (rig, started) = baking(&shop).await;
    lose(&rig, true);
    goes_on(&rig.next_keeper().await, &shop, &started).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_come_again_is_taken_back_when_the_gates_patience_is_over() {
    let shop = site("shop/production");
    let (rig, started) = baking(&shop).await;
    for ((_, name), instance) in &mut rig.machine.lock().instances {
        if name.release.0 == 2 {
            instance.behaviour = Behaviour::NeverReady;
        }
    }
    lose(&rig, false);
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::RolledBack, "release-unready"));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}
