//! `deploy.approval`: a deploy that waits for another operator, whoever dies meanwhile.

use api::{
    deploy::{Outcome, Phase, Started},
    jobs::Restart,
    status::Awaited,
};
use jiff::SignedDuration;
use model::{Site, manifest::Manifest};
use tokio::time::{Duration, sleep};

use super::rig::{Rig, caller, manifest, site};
use crate::{Caller, RefusedKind, world::Disk};

const HOUR: Duration = Duration::from_secs(3600);

fn guarded(shop: &Site) -> Manifest {
    let mut manifest = manifest(shop, "good");
    manifest.deploy.approval = true;
    manifest
}

fn berta() -> Caller {
    Caller { operator: "berta".into(), ..caller() }
}

/// Until the deploy says that it waits.
async fn waits(rig: &Rig, shop: &Site) -> Awaited {
    loop {
        if let Ok(status) = rig.handle(shop).status().await
            && let Some(awaited) = status.deploy.and_then(|deploy| deploy.approval)
        {
            return awaited;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn begun(rig: &Rig, shop: &Site, text: &str) -> Started {
    let started = rig.begin(&guarded(shop), text).await.unwrap();
    waits(rig, shop).await;
    started
}

#[tokio::test(start_paused = true)]
async fn a_deploy_waits_for_another_operator_than_the_one_who_began_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let plan = rig.handle(&shop).plan(rig.wanted(&guarded(&shop), "two")).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.code == "needs-approval"), "{plan:?}");
    let started = begun(&rig, &shop, "two").await;
    sleep(HOUR).await;
    let awaited = waits(&rig, &shop).await;
    assert_eq!(awaited.command, format!("mainstay approve {}", started.deploy));
    assert_eq!(rig.serving(&shop).await, Some(1), "nothing is touched");

    let handle = rig.handle(&shop);
    let refused = handle.approve(started.deploy, caller()).await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Conflict, "own-deploy"));
    let another = model::DeployId(ulid::Ulid::nil());
    assert_eq!(handle.approve(another, berta()).await.unwrap_err().explain.code, "nothing-to-approve");
    let locked = handle.restart(Restart { service: None }, berta()).await.unwrap_err();
    assert!(
        locked.kind == RefusedKind::Locked && locked.explain.to_string().contains("waits for an approval")
    );
    handle.approve(started.deploy, berta()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!(
        (ended.outcome, ended.serving),
        (Outcome::Served, Some(2)),
        "its time of 45 min was not spent"
    );
    let order = [Phase::Preflight, Phase::Stage, Phase::Approve, Phase::Migrate];
    assert_eq!(ended.phases()[2..6], order);
    let told = format!("{:?}", ended.events);
    assert!(told.contains("own-approval-refused") && told.contains("approved by berta"), "{told}");
    let record = handle.records(1).await.unwrap().remove(0);
    let approved = record.approved.expect("who let it go on");
    assert_eq!((record.operator.as_str(), approved.operator.as_str()), ("anna", "berta"));
    let again = handle.approve(started.deploy, berta()).await.unwrap_err();
    assert_eq!(again.explain.code, "nothing-to-approve");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_serves_asks_for_the_approval_of_a_manifest_that_does_without() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let first = begun(&rig, &shop, "one").await;
    rig.handle(&shop).approve(first.deploy, berta()).await.unwrap();
    assert_eq!(rig.follow(&shop, &first).await.outcome, Outcome::Served);
    let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
    waits(&rig, &shop).await;
    rig.handle(&shop).approve(started.deploy, berta()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.serving, Some(2));
    // From here on nobody asks any more.
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "three").await.serving, Some(3));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_way_back_takes_no_approval_away() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut first = manifest(&shop, "good");
    // What is returned from is not kept.
    first.release.keep_releases = 0;
    rig.deploy(&first, "one").await;
    let second = begun(&rig, &shop, "two").await;
    rig.handle(&shop).approve(second.deploy, berta()).await.unwrap();
    assert_eq!(rig.follow(&shop, &second).await.serving, Some(2));
    for round in 0..2 {
        if rig.serving(&shop).await != Some(1) {
            assert_eq!(rig.rollback(&shop, Some(1)).await.serving, Some(1));
        }
        rig.settled(&shop).await;
        let text = format!("three {round}");
        let plan = rig.handle(&shop).plan(rig.wanted(&manifest(&shop, "good"), &text)).await.unwrap();
        assert!(plan.warnings.iter().any(|warning| warning.code == "needs-approval"), "{plan:?}");
        rig.begin(&manifest(&shop, "good"), &text).await.unwrap();
        waits(&rig, &shop).await;
        // A restart of what serves changes nothing of it, once the deploy is gone.
        rig.handle(&shop).cancel(caller()).await.unwrap();
        rig.settled(&shop).await;
        let restarted = rig.handle(&shop).restart(Restart { service: None }, caller()).await.unwrap();
        assert_eq!(rig.follow(&shop, &restarted).await.outcome, Outcome::Served);
    }
    let started = rig.begin(&manifest(&shop, "good"), "four").await.unwrap();
    waits(&rig, &shop).await;
    rig.handle(&shop).approve(started.deploy, berta()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert_eq!(
        rig.deploy(&manifest(&shop, "good"), "five").await.outcome,
        Outcome::Served,
        "it was given up"
    );
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn nobodys_approval_ends_it_after_a_day_however_many_keepers_died() {
    let (mut rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = begun(&rig, &shop, "two").await;
    let until = waits(&rig, &shop).await.until_unix_ms;
    for reboots in [false, true, false] {
        sleep(7 * HOUR).await;
        rig = rig.after_a_death(reboots).await;
        assert_eq!(waits(&rig, &shop).await.until_unix_ms, until, "another keeper gives it no more time");
        assert_eq!(rig.serving(&shop).await, Some(1));
    }
    sleep(2 * HOUR).await;
    waits(&rig, &shop).await;
    let ended = async {
        sleep(2 * HOUR).await;
        rig.follow(&shop, &started).await
    };
    let ended = ended.await;
    assert_eq!((ended.outcome, ended.code(), ended.serving), (Outcome::Aborted, "not-approved", Some(1)));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_approved_goes_on_after_a_death_and_preflight_looks_again() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = begun(&rig, &shop, "two").await;
    let rig = rig.next_keeper().await;
    waits(&rig, &shop).await;
    // While it waited the machine got full.
    rig.machine.lock().disk = Some(Disk { free_bytes: 1 << 20, free_inodes: 1 << 20 });
    rig.handle(&shop).approve(started.deploy, berta()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Aborted, Some(1)), "{ended:?}");
    assert_eq!(ended.code(), "disk-space");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_way_back_does_not_wait_behind_it_and_a_cancel_ends_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.deploy(&manifest(&shop, "good"), "two").await;
    rig.settled(&shop).await;
    let started = begun(&rig, &shop, "three").await;
    let back = rig.rollback(&shop, None).await;
    assert_eq!((back.outcome, back.serving), (Outcome::Served, Some(1)));
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "gave-way"));
    let started = begun(&rig, &shop, "four").await;
    rig.handle(&shop).cancel(caller()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "cancelled"));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_left_though_a_deploy_waits() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut loops = manifest(&shop, "loops-after:60");
    for service in loops.services.values_mut() {
        service.restart.on_crash_loop = model::manifest::OnCrashLoop::Rollback;
    }
    assert_eq!(rig.deploy(&loops, "two").await.serving, Some(2));
    let started = begun(&rig, &shop, "three").await;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "gave-way"));
    sleep(Duration::from_secs(120)).await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_forward_ends_it_and_one_set_back_lets_it_wait() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = begun(&rig, &shop, "two").await;
    rig.machine.lock().clock_ahead -= SignedDuration::from_hours(2);
    sleep(24 * HOUR).await;
    waits(&rig, &shop).await;
    rig.machine.lock().clock_ahead += SignedDuration::from_hours(3);
    assert_eq!(rig.follow(&shop, &started).await.code(), "not-approved");
}
