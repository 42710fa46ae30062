//! Releases that fail, each in its way: the old one serves, and the end says why.

use std::time::Duration;

use api::deploy::{Outcome, Phase};
use model::{Span, manifest::Smoke};
use tokio::time::{Instant, sleep};

use super::{
    failpoint::{self, Fault},
    rig::{Ended, Rig, caller, manifest, site},
};
use crate::{RefusedKind, world::Disk};

async fn after_a_good_one(behaviour: &str, smoke: bool) -> (Rig, Ended) {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = manifest(&shop, behaviour);
    if smoke {
        let get = "/".to_owned();
        next.deploy.smoke =
            vec![Smoke { get, host: None, status: 200, contains: None, first_event_within: None }];
    }
    let ended = rig.deploy(&next, "two").await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    rig.check(&shop).await;
    (rig, ended)
}

#[tokio::test(start_paused = true)]
async fn broken_releases_are_aborted_with_their_reason() {
    let cases = [
        ("throws", "release-crashes", Phase::Start),
        ("never-up", "release-not-started", Phase::Start),
        ("elsewhere", "listens-elsewhere", Phase::Start),
        ("never-ready", "release-not-ready", Phase::Gate),
        ("500", "smoke-failed", Phase::Gate),
    ];
    for (behaviour, code, phase) in cases {
        let (_rig, ended) = after_a_good_one(behaviour, true).await;
        assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, code), "{behaviour}");
        assert_eq!(ended.phases().last(), Some(&phase), "{behaviour}");
        let error = ended.error.unwrap();
        assert_eq!(error.now.as_deref(), Some("release 1 still serves all traffic"), "{behaviour}");
        assert!(error.details.iter().any(|d| d.title.contains("log lines")), "{behaviour}: {error:?}");
        // Only of what is not up: an app that runs may log what it likes.
        let diagnosed = error.causes.iter().any(|cause| cause.starts_with("its log says: "));
        assert_eq!(diagnosed, matches!(behaviour, "throws" | "never-up"), "{behaviour}: {error:?}");
        let help = error.help.unwrap_or_default();
        assert_eq!(help.contains("{port}"), behaviour == "throws", "{behaviour}: {help}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_probe_answer_is_shown_with_its_body() {
    let (_rig, ended) = after_a_good_one("never-ready", false).await;
    let error = ended.error.unwrap();
    assert!(error.causes.iter().any(|c| c.contains("503 Service Unavailable")), "{error:?}");
    let answer = error.details.iter().find(|d| d.title.starts_with("last answer")).unwrap();
    assert_eq!(answer.lines.last().unwrap(), "warming up");
}

#[tokio::test(start_paused = true)]
async fn a_slow_release_is_waited_for() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let ended = rig.deploy(&manifest(&shop, "slow:20"), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_its_bake_is_taken_back() {
    for (behaviour, code) in [
        ("crashes-after:10", "release-crashed"),
        ("unready-after:10", "release-unready"),
        ("errs:20", "release-errs-more"),
        ("lags:100", "release-slower"),
    ] {
        let (rig, ended) = after_a_good_one(behaviour, false).await;
        assert_eq!((ended.outcome, ended.code()), (Outcome::RolledBack, code), "{behaviour}");
        assert_eq!(ended.phases().last(), Some(&Phase::Bake));
        // The return is one switch, not a flapping.
        assert_eq!(rig.machine.lock().switches.len(), 4, "empty candidate table, one, two, back");
        let shop = site("shop/production");
        assert!(rig.handle(&shop).status().await.unwrap().paused.is_none());
        assert_eq!(rig.deploy(&manifest(&shop, "good"), "three").await.outcome, Outcome::Served);
    }
}

#[tokio::test(start_paused = true)]
async fn a_return_by_figures_says_them() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    // The old side is asked for a while: there is something to compare with.
    sleep(Duration::from_secs(60)).await;
    let ended = rig.deploy(&manifest(&shop, "errs:20"), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)));
    let told = ended.error.unwrap().causes.join("; ");
    assert!(told.contains("web of release 2: ") && told.contains("requests failed (19.2 %)"), "{told}");
    assert!(told.contains("web of release 1, in the ten minutes before the switch: "), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_takes_up_a_bake_knows_what_it_is_compared_with() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    sleep(Duration::from_secs(60)).await;
    let mut next = manifest(&shop, "errs:20");
    next.deploy.abort_if.min_errors = 60;
    let started = rig.begin(&next, "two").await.unwrap();
    // Two seconds of health, then ten of its bake: 40 errors.
    sleep(Duration::from_secs(13)).await;
    let phase = rig.handle(&shop).status().await.unwrap().deploy.map(|deploy| deploy.phase);
    assert_eq!(phase, Some(Phase::Bake));
    let rig = rig.next_keeper().await;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::RolledBack, "release-errs-more"));
    let told = ended.error.unwrap().causes.join("; ");
    assert!(!told.contains("before the switch: 0 of 0"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_first_release_that_fails_its_bake_serves_on_and_is_held() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let ended = rig.deploy(&manifest(&shop, "unready-after:10"), "one").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Held, Some(1)));
    let handle = rig.handle(&shop);
    let status = handle.status().await.unwrap();
    assert!(status.held.is_some() && status.paused.is_none());
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "two").await.outcome, Outcome::Served);
    assert!(handle.status().await.unwrap().held.is_none());
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_release_whose_site_goes_down_in_its_bake_says_so_and_asks_nobody() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let started = rig.begin(&manifest(&shop, "good"), "one").await.unwrap();
    // Of a bake of 20 s, which begins within the first 10.
    sleep(Duration::from_secs(10)).await;
    rig.machine.lock().down = true;
    let handle = rig.handle(&shop);
    let (down, ended) = tokio::join!(handle.down(), rig.follow(&shop, &started));
    down.unwrap();
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "site-ending"));
    let error = ended.error.clone().unwrap();
    assert!(error.message.contains("mainstay down") && error.now.unwrap().contains("mainstay up"));
    let rig = rig.next_keeper().await;
    sleep(Duration::from_secs(10)).await;
    rig.machine.lock().down = false;
    assert_eq!(rig.serving(&shop).await, Some(1));
    let status = rig.handle(&shop).status().await.unwrap();
    assert!(status.held.is_none() && status.paused.is_none(), "there is nothing to decide");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_each_phase_as_it_says() {
    // Seconds into a deploy of: unpack 0.3, up 5, ready, held 2, bake 20.
    for (after, expected) in [
        (Duration::from_millis(100), Outcome::Aborted),
        (Duration::from_secs(2), Outcome::Aborted),
        (Duration::from_secs(6), Outcome::Aborted),
        (Duration::from_secs(15), Outcome::RolledBack),
    ] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        let started = rig.begin(&manifest(&shop, "slow:5"), "two").await.unwrap();
        sleep(after).await;
        let cancelled = rig.handle(&shop).cancel(caller()).await.unwrap();
        assert_eq!(cancelled.outcome, expected);
        let ended = rig.follow(&shop, &started).await;
        assert_eq!((ended.outcome, ended.code()), (expected, "cancelled"), "after {after:?}");
        rig.settled(&shop).await;
        assert_eq!(rig.serving(&shop).await, Some(1));
        rig.check(&shop).await;
        let nothing = rig.handle(&shop).cancel(caller()).await.unwrap_err();
        assert_eq!(nothing.kind, RefusedKind::Conflict);
    }
}

#[tokio::test(start_paused = true)]
async fn too_little_disk_or_memory_and_missing_secrets_stop_before_anything_is_touched() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.machine.lock().disk = Some(Disk { free_bytes: 1 << 20, free_inodes: 1 << 20 });
    let ended = rig.deploy(&manifest(&shop, "good"), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "disk-space"));
    rig.machine.lock().disk = Some(Disk { free_bytes: 1 << 40, free_inodes: 10 });
    let ended = rig.deploy(&manifest(&shop, "good"), "three").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "disk-inodes"));
    rig.machine.lock().disk = None;
    // Three instances that have used 100 MiB each; now they use 60.
    rig.machine.lock().memory_available = Some(299 << 20);
    let ended = rig.deploy(&manifest(&shop, "good"), "too large").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "memory"));
    rig.machine.lock().memory_available = None;
    let mut secret = manifest(&shop, "good");
    secret.services.values_mut().for_each(|s| s.env_secrets.push("API_KEY".into()));
    rig.machine.lock().missing_secrets.insert("API_KEY".into());
    let refused = rig.begin(&secret, "four").await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Plan, "secret-missing"));
    assert!((2..=4).all(|n| !rig.release_dir(&shop, n).exists()));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_release_that_may_need_more_memory_than_there_is_is_warned_of() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.machine.lock().memory_available = Some(299 << 20);
    let mut first = manifest(&shop, "good");
    first.services.values_mut().for_each(|s| s.limits.memory_high = Some(model::ByteSize::mib(100)));
    let ended = rig.deploy(&first, "one").await;
    assert_eq!(ended.outcome, Outcome::Served);
    let warned = |event: &api::deploy::Event| matches!(&event.kind, api::deploy::EventKind::Warning { warning } if warning.code == "memory");
    assert!(ended.events.iter().any(warned), "{:?}", ended.events);
}

#[tokio::test(start_paused = true)]
async fn a_hostile_artifact_is_refused_and_its_folder_removed() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let artifact = rig.upload_bytes(b"this is no archive at all");
    let what = crate::What::New { manifest: Box::new(manifest(&shop, "good")), artifact };
    let wanted = crate::Wanted { what, wait: Duration::ZERO, drain_now: false };
    let started = rig.handle(&shop).deploy(wanted, caller()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "artifact-unreadable"));
    assert!(!rig.release_dir(&shop, 2).exists());
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_under_the_journal_aborts_and_the_old_release_serves() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "slow:5"), "two").await.unwrap();
    sleep(Duration::from_secs(2)).await;
    // From here on the books cannot be written: their temporary file's name is taken by a folder.
    let root = rig.release_dir(&shop, 2).parent().unwrap().parent().unwrap().to_owned();
    std::fs::create_dir_all(root.join("state.json.new/in-the-way")).unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!(ended.outcome, Outcome::Aborted);
    assert_eq!(ended.code(), "state-unwritable");
    assert_eq!(rig.serving(&shop).await, Some(1));
    assert_eq!(rig.machine.promises(), Vec::<String>::new());
    // No other one may begin before the end is written down, and status says which one is in its way.
    let under_way = rig.handle(&shop).status().await.unwrap().deploy;
    assert_eq!(under_way.map(|deploy| deploy.deploy), Some(started.deploy));
    std::fs::remove_dir_all(root.join("state.json.new")).unwrap();
    // What could not be written is, as soon as it can: the end, for its own reason, and that nothing of it is there.
    rig.settled(&shop).await;
    let record = rig.handle(&shop).records(1).await.unwrap().remove(0);
    assert_eq!(
        (record.outcome, record.error.unwrap().code.as_str()),
        (Some(Outcome::Aborted), "state-unwritable")
    );
    rig.check(&shop).await;
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "three").await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

/// Until a moment from now every write is refused, from the `nth` on.
pub(super) fn full_disk(rig: &Rig, nth: u64, time: Duration) {
    let fault = Fault::Refused(std::io::ErrorKind::StorageFull, Instant::now() + time);
    failpoint::plan(nth, fault, rig.dead());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_begin_on_a_full_disk_leaves_no_record_without_an_end() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    // The books say which is the last one, then the journal has its first record; the second one is refused.
    full_disk(&rig, 3, Duration::from_secs(1));
    let refused = rig.begin(&manifest(&shop, "good"), "two").await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Failed, "journal-unwritable"));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "three").await.outcome, Outcome::Served);
    let records = rig.handle(&shop).records(10).await.unwrap();
    assert!(records.iter().all(|record| record.outcome.is_some()), "{records:?}");
    assert_eq!(records.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_first_release_that_serves_is_not_taken_away_by_a_full_disk() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let started = rig.begin(&manifest(&shop, "good"), "one").await.unwrap();
    while rig.serving(&shop).await != Some(1) {
        let phase = rig.handle(&shop).status().await.unwrap().deploy.map(|deploy| deploy.phase);
        if phase == Some(Phase::Gate) {
            // Beyond what is noted before the switch, and the records of it.
            full_disk(&rig, 6, Duration::from_secs(10));
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(1)), "{:?}", ended.error);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_release_waits_for_a_full_disk_and_is_not_stopped_again_and_again() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.machine.lock().streams.insert(pool, Instant::now() + Duration::from_secs(60));
    rig.deploy(&manifest(&shop, "good"), "two").await;
    sleep(Duration::from_secs(1)).await;
    full_disk(&rig, 1, Duration::from_secs(120));
    let before = rig.machine.lock().epoch;
    sleep(Duration::from_secs(110)).await;
    // Its streams are over for a minute. A rollback could still take it: nobody has written that it goes.
    let of_web = |rig: &Rig| rig.machine.lock().stopped.iter().any(|name| name.to_string() == "web.1.1");
    assert!(!of_web(&rig));
    assert_eq!(rig.machine.lock().epoch, before, "nothing changed for the edge");
    rig.settled(&shop).await;
    assert!(of_web(&rig));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_release_that_a_full_disk_kept_warm_goes_when_there_is_room_again() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = manifest(&shop, "good");
    next.deploy.bake_time = Span::secs(60);
    let started = rig.begin(&next, "two").await.unwrap();
    while rig.serving(&shop).await != Some(2) {
        sleep(Duration::from_secs(1)).await;
    }
    let root = rig.release_dir(&shop, 2).parent().unwrap().parent().unwrap().to_owned();
    std::fs::create_dir_all(root.join("state.json.new/in-the-way")).unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    sleep(Duration::from_secs(10)).await;
    assert!(rig.machine.lock().stopped.is_empty(), "the books still say that it may be returned to");
    std::fs::remove_dir_all(root.join("state.json.new")).unwrap();
    sleep(Duration::from_secs(10)).await;
    rig.settled(&shop).await;
    assert!(rig.machine.lock().stopped.iter().any(|name| name.to_string() == "web.1.1"));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_switch_whose_answer_is_lost_is_what_the_edge_says_it_is() {
    for (lost, refused, expected) in [(1, 0, Outcome::Served), (0, 1, Outcome::Aborted)] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
        // The gate's table has been published; the next one is the switch.
        loop {
            let gated = rig.machine.lock().tables[&shop].1.pools.len() > 1;
            if gated {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_secs(1)).await;
        {
            let mut inner = rig.machine.lock();
            (inner.lose_answers, inner.refuse_tables) = (lost, refused);
        }
        let ended = rig.follow(&shop, &started).await;
        assert_eq!(ended.outcome, expected);
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_old_release_is_sick_too_nothing_flaps_and_deploys_pause() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    // The old one loses its readiness while the new one bakes, and so does the new one a little later.
    let mut old = manifest(&shop, "unready-after:60");
    old.deploy.bake_time = Span::secs(20);
    rig.deploy(&old, "one").await;
    sleep(Duration::from_secs(25)).await;
    let mut new = manifest(&shop, "unready-after:30");
    new.deploy.bake_time = Span::secs(60);
    let ended = rig.deploy(&new, "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Held, Some(2)));
    let refused = rig.begin(&manifest(&shop, "good"), "three").await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Conflict, "paused"));
    rig.handle(&shop).resume(caller()).await.unwrap();
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "three").await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_manifest_may_ask_that_nothing_is_taken_back_by_itself() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut stubborn = manifest(&shop, "crashes-after:10");
    stubborn.deploy.auto_rollback = false;
    let ended = rig.deploy(&stubborn, "two").await;
    assert_eq!((ended.outcome, ended.serving, ended.code()), (Outcome::Held, Some(2), "release-crashed"));
    assert_eq!(rig.rollback(&shop, None).await.serving, Some(1));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}
