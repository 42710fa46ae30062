//! Deploys that some clients get first: what they meet, what the others do not, and who dies meanwhile.

use std::time::Duration;

use api::deploy::{EventKind, Outcome, Phase};
use model::{
    Site, Span,
    manifest::{Canary, Manifest},
};
use tokio::time::sleep;

use super::{
    failpoint,
    rig::{Ended, Rig, caller, manifest, site},
};

fn with_canary(shop: &Site, behaviour: &str) -> Manifest {
    let mut manifest = manifest(shop, behaviour);
    manifest.deploy.canary = Some(Canary { weight: 10, duration: Span::secs(30) });
    manifest
}

/// The share of clients that the edge sends to another release than the others.
fn share(rig: &Rig, shop: &Site) -> Option<u8> {
    let inner = rig.machine.lock();
    inner.tables[shop].1.routes[0].canary.as_ref().map(|(_, weight)| *weight)
}

async fn until_canary(rig: &Rig, shop: &Site) {
    while share(rig, shop).is_none() {
        sleep(Duration::from_millis(50)).await;
    }
}

fn notes(ended: &Ended) -> String {
    let note = |event: &api::deploy::Event| match &event.kind {
        EventKind::Note { message, .. } => Some(message.clone()),
        _ => None,
    };
    ended.events.iter().filter_map(note).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn some_clients_get_a_good_release_first_and_then_all() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let first = rig.deploy(&with_canary(&shop, "good"), "one").await;
    assert!(!notes(&first).contains("of the clients"), "there is nobody to spare");
    let started = rig.begin(&with_canary(&shop, "good"), "two").await.unwrap();
    until_canary(&rig, &shop).await;
    assert_eq!(rig.handle(&shop).status().await.unwrap().canary, Some(10), "who watches sees the share");
    let begun = tokio::time::Instant::now();
    assert_eq!((share(&rig, &shop), rig.serving(&shop).await), (Some(10), Some(1)));
    while share(&rig, &shop).is_some() {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(30));
    assert_eq!(rig.serving(&shop).await, Some(2), "from ten in a hundred to all, and never to none");
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
    assert!(notes(&ended).contains("10 % of the clients get release 2 for 30s"), "{}", notes(&ended));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_its_canary_is_taken_back_from_those_who_had_it() {
    for (behaviour, code) in [
        ("crashes-after:10", "release-crashed"),
        ("unready-after:10", "release-unready"),
        ("errs:20", "release-errs-more"),
        ("lags:100", "release-slower"),
    ] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        let switches = rig.machine.lock().switches.len();
        let ended = rig.deploy(&with_canary(&shop, behaviour), "two").await;
        assert_eq!((ended.outcome, ended.code()), (Outcome::RolledBack, code), "{behaviour}");
        assert_eq!((ended.phases().last(), ended.serving), (Some(&Phase::Switch), Some(1)), "{behaviour}");
        assert_eq!(rig.machine.lock().switches.len(), switches, "the pointer never moved");
        let error = ended.error.unwrap();
        let said = format!("{error} {} {:?}", error.causes.join("; "), error.now);
        assert!(said.contains("10 % of the clients had release 2"), "{behaviour}: {said}");
        if code.starts_with("release-errs") || code.ends_with("slower") {
            assert!(said.contains("web of release 1, in the same minutes: "), "{behaviour}: {said}");
        }
        rig.settled(&shop).await;
        rig.check(&shop).await;
        assert_eq!(share(&rig, &shop), None);
        assert_eq!(rig.deploy(&with_canary(&shop, "good"), "three").await.outcome, Outcome::Served);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_and_a_cancel_wait_for_no_canary() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.begin(&with_canary(&shop, "good"), "two").await.unwrap();
    until_canary(&rig, &shop).await;
    rig.handle(&shop).cancel(caller()).await.unwrap();
    while rig.handle(&shop).status().await.unwrap().deploy.is_some() {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((share(&rig, &shop), rig.serving(&shop).await), (None, Some(1)));
    let record = rig.handle(&shop).records(1).await.unwrap().remove(0);
    assert_eq!(record.outcome, Some(Outcome::RolledBack));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

/// Before its record the canary is nobody's: aborted. From there on somebody had the release: taken back.
#[tokio::test(start_paused = true)]
async fn whoever_dies_in_a_canary_it_ends_and_the_old_release_serves_all() {
    for reboot in [false, true] {
        let mut outcomes = Vec::new();
        for nth in 1.. {
            let (rig, shop) = (Rig::new().await, site("shop/production"));
            rig.deploy(&manifest(&shop, "good"), "one").await;
            let started = rig.begin(&with_canary(&shop, "errs:20"), "two").await.unwrap();
            while rig.handle(&shop).status().await.unwrap().deploy.map(|d| d.phase) != Some(Phase::Gate) {
                sleep(Duration::from_millis(5)).await;
            }
            failpoint::set(nth);
            if !rig.dies_under_way(&shop).await {
                break;
            }
            let rig = rig.after_a_death(reboot).await;
            let ended = rig.follow(&shop, &started).await;
            assert_eq!(ended.serving, Some(1), "after record {nth}, reboot: {reboot}");
            rig.settled(&shop).await;
            assert_eq!(share(&rig, &shop), None);
            rig.check(&shop).await;
            outcomes.push(ended.outcome);
        }
        let first_back = outcomes.iter().position(|outcome| *outcome == Outcome::RolledBack);
        let after = first_back.map_or(&[][..], |first| &outcomes[first..]);
        assert!(after.iter().all(|outcome| *outcome == Outcome::RolledBack), "{outcomes:?}");
        let count = |outcome| outcomes.iter().filter(|seen| **seen == outcome).count();
        assert!(count(Outcome::Aborted) > 0 && count(Outcome::RolledBack) > 0, "{outcomes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_whose_edge_is_away_goes_on_until_it_is_gone() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&with_canary(&shop, "unready-after:10"), "two").await.unwrap();
    until_canary(&rig, &shop).await;
    rig.machine.lock().refuse_tables = 30;
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)));
    assert_eq!(share(&rig, &shop), None, "its instances are stopped after that only");
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

/// Moments, not records: also one at which the books have let go of the canary and the end is not written.
#[tokio::test(start_paused = true)]
async fn a_canary_that_is_being_withdrawn_ends_the_same_under_the_next_keeper() {
    for moment in 0..12 {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        let started = rig.begin(&with_canary(&shop, "unready-after:10"), "two").await.unwrap();
        until_canary(&rig, &shop).await;
        while share(&rig, &shop).is_some() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(moment * 2)).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        assert_eq!((ended.outcome, ended.serving), (Outcome::RolledBack, Some(1)), "moment {moment}");
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_may_last_longer_than_a_deploy_may_take_to_its_switch() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = with_canary(&shop, "good");
    next.deploy.canary = Some(Canary { weight: 10, duration: Span::secs(3600) });
    let ended = rig.deploy(&next, "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
}

#[tokio::test(start_paused = true)]
async fn a_service_to_which_the_new_release_sends_nobody_is_no_canary() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = with_canary(&shop, "good");
    let web = next.services[&"web".parse().unwrap()].clone();
    next.services.insert("front".parse().unwrap(), web);
    next.routes[0].service = "front".parse().unwrap();
    let inner = next.services.get_mut(&"web".parse().unwrap()).unwrap();
    (inner.listen, inner.probes.readiness) = (None, None);
    let ended = rig.deploy(&next, "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[test]
fn candidates_that_are_chosen_anew_inherit_no_canary() {
    let mut state = crate::state::State { canary: Some(10), ..crate::state::State::default() };
    state.set_candidates(Vec::new());
    assert_eq!(state.canary, None);
    state.canary = Some(10);
    state.grow(7);
    assert_eq!(state.canary, None);
}
