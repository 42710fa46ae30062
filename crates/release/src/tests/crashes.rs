//! Keepers that die: after every record of a journal, in every phase, with the machine and without it.

use std::time::Duration;

use api::deploy::{Outcome, Phase};
use model::{Span, manifest::Migrate};
use tokio::time::{sleep, timeout};

use super::{
    failpoint,
    rig::{Rig, caller, manifest, migration, site},
};
use crate::Wanted;

/// A deploy with every phase in it.
fn rich(shop: &model::Site, schema: u64) -> model::manifest::Manifest {
    let mut manifest = manifest(shop, "good");
    manifest.deploy.bake_time = Span::secs(5);
    let up = migration(schema, &format!("to:{schema}"), Some(1));
    manifest.migrate = Some(Migrate { down_command: None, ..up });
    manifest
}

/// Deploys, dies after the `nth` record, and lets the next keeper end it. `None`: there are fewer records.
async fn dies_after(nth: u64, reboot: bool) -> Option<(Outcome, Phase, Option<u64>)> {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&rich(&shop, 1), "one").await;
    rig.settled(&shop).await;
    failpoint::set(nth);
    let Ok(started) = rig.begin(&rich(&shop, 2), "two").await else {
        failpoint::clear();
        return Some((Outcome::Aborted, Phase::Plan, Some(1)));
    };
    if !rig.dies_under_way(&shop).await {
        return None;
    }
    let rig = rig.after_a_death(reboot).await;
    let ended = rig.follow(&shop, &started).await;
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, ended.serving, "after record {nth}");
    rig.check(&shop).await;
    // Whatever it was, the site goes on.
    let next = rig.deploy(&rich(&shop, 2), "three").await;
    assert_eq!(next.outcome, Outcome::Served, "after record {nth}: {:?}", next.error);
    rig.settled(&shop).await;
    rig.check(&shop).await;
    let phase = *ended.phases().last().unwrap();
    Some((ended.outcome, phase, ended.serving))
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_after_any_record_leaves_a_known_state() {
    let mut outcomes = Vec::new();
    for nth in 4.. {
        let Some((outcome, phase, serving)) = dies_after(nth, false).await else { break };
        let expected = if serving == Some(2) { Outcome::Served } else { Outcome::Aborted };
        assert_eq!(outcome, expected, "after record {nth}, in {phase:?}");
        outcomes.push(outcome);
    }
    // Aborted up to the switch but for the migration, which is taken up; served from there on.
    assert!(outcomes.len() > 25, "only {} records were tried", outcomes.len());
    assert!(outcomes.iter().filter(|o| **o == Outcome::Served).count() > 8, "{outcomes:?}");
    assert!(outcomes.iter().filter(|o| **o == Outcome::Aborted).count() > 8, "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_dies_after_any_record_comes_up_with_what_served() {
    let mut tried = 0;
    for nth in 4.. {
        let Some((outcome, phase, serving)) = dies_after(nth, true).await else { break };
        let expected = if serving == Some(2) { Outcome::Served } else { Outcome::Aborted };
        assert_eq!(outcome, expected, "after record {nth}, in {phase:?}");
        tried += 1;
    }
    assert!(tried > 25, "only {tried} records were tried");
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_at_any_moment_fails_nothing() {
    // Moments, not records: the act is half done.
    for half_seconds in 0..32 {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&rich(&shop, 1), "one").await;
        let started = rig.begin(&rich(&shop, 2), "two").await.unwrap();
        sleep(Duration::from_millis(half_seconds * 500 + 37)).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        assert!(matches!(ended.outcome, Outcome::Served | Outcome::Aborted), "{:?}", ended.error);
        rig.settled(&shop).await;
        assert_eq!(rig.serving(&shop).await, ended.serving);
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_while_it_takes_a_release_back_ends_the_return() {
    for nth in 1..8 {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        let started = rig.begin(&manifest(&shop, "unready-after:10"), "two").await.unwrap();
        while rig.serving(&shop).await != Some(2) {
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_secs(2)).await;
        failpoint::set(nth);
        rig.dies_under_way(&shop).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)), "after record {nth}");
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bake_begins_anew_after_a_keepers_death() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
    while rig.serving(&shop).await != Some(2) {
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_secs(15)).await;
    let rig = rig.next_keeper().await;
    let again = tokio::time::Instant::now();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
    assert!(again.elapsed() >= Duration::from_secs(20));
    assert!(rig.machine.lock().stopped.is_empty() || rig.serving(&shop).await == Some(2));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_outlives_the_keeper_that_heard_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
    while rig.serving(&shop).await != Some(2) {
        sleep(Duration::from_millis(50)).await;
    }
    rig.handle(&shop).cancel(caller()).await.unwrap();
    let rig = rig.next_keeper().await;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_that_does_not_come_up_after_a_reboot_gives_way_to_the_last_stable_one() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.deploy(&manifest(&shop, "good"), "two").await;
    rig.settled(&shop).await;
    // What it needs went away: on the next start it never becomes ready.
    let path = rig.release_dir(&shop, 2).join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"good\"", "\"never-ready\"");
    std::fs::write(&path, text).unwrap();
    let rig = rig.reboot().await;
    for _ in 0..400 {
        sleep(Duration::from_secs(1)).await;
        if rig.serving(&shop).await == Some(1) {
            break;
        }
    }
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    let last = rig.handle(&shop).records(1).await.unwrap().remove(0);
    assert_eq!((last.verb.as_str(), last.operator.as_str()), ("rollback", "mainstay"));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn draining_goes_on_under_the_next_keeper() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.machine.lock().streams.insert(pool, tokio::time::Instant::now() + Duration::from_secs(120));
    rig.deploy(&manifest(&shop, "good"), "two").await;
    let rig = rig.next_keeper().await;
    sleep(Duration::from_secs(10)).await;
    let stopped = |rig: &Rig| rig.machine.lock().stopped.iter().any(|n| n.to_string() == "web.1.1");
    assert!(!stopped(&rig), "its streams are not over");
    rig.settled(&shop).await;
    assert!(stopped(&rig));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_the_edge_has_and_the_books_have_not_is_completed() {
    for reboot in [false, true] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        rig.machine.lock().die_at_switch = true;
        let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
        while !rig.is_dead() {
            sleep(Duration::from_millis(5)).await;
        }
        let rig = if reboot { rig.reboot().await } else { rig.next_keeper().await };
        let ended = rig.follow(&shop, &started).await;
        assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "reboot: {reboot}");
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_return_that_the_edge_has_and_the_books_have_not_is_completed() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "unready-after:10"), "two").await.unwrap();
    while rig.serving(&shop).await != Some(2) {
        sleep(Duration::from_millis(50)).await;
    }
    rig.machine.lock().die_at_switch = true;
    while !rig.is_dead() {
        sleep(Duration::from_millis(5)).await;
    }
    let rig = rig.next_keeper().await;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_still_on_its_way_cannot_arrive_after_the_old_release_was_made_final() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
    rig.machine.lock().late_switch = Some(Duration::from_secs(3));
    while rig.machine.lock().late_switch.is_some() {
        sleep(Duration::from_millis(5)).await;
    }
    // The next keeper is not heard until after it has arrived: what it leads to must still be there.
    rig.machine.lock().refuse_tables = 20;
    let rig = rig.next_keeper().await;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Aborted, Some(1)));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_stopped_while_it_opens_takes_back_what_bakes_and_begins_no_deploy() {
    for bakes in [true, false] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        let mut baked_long = manifest(&shop, "good");
        rig.deploy(&baked_long, "one").await;
        baked_long.deploy.bake_time = Span::secs(3000);
        if bakes {
            rig.begin(&baked_long, "two").await.unwrap();
            sleep(Duration::from_secs(30)).await;
            assert_eq!(rig.serving(&shop).await, Some(2), "it bakes");
        }
        let rig = rig.next_keeper().await;
        let handle = rig.handle(&shop);
        let wanted = Wanted { wait: Duration::from_secs(600), ..rig.wanted(&baked_long, "three") };
        let both = async { tokio::join!(handle.deploy(wanted, caller()), handle.settle()) };
        let (deploy, settled) = timeout(Duration::from_secs(60), both).await.expect("no bake is waited out");
        settled.unwrap();
        let refused = deploy.unwrap_err().explain.code;
        // At once, and not when what bakes has ended.
        assert_eq!(refused, if bakes { "site-ending" } else { "site-down" });
        assert_eq!(rig.serving(&shop).await, Some(1), "bakes: {bakes}");
        assert!(!rig.release_dir(&shop, 3).exists());
    }
}
