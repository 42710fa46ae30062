//! A run whose end the disk does not take: who looks, who asks and who waits are told, until there is room.

use std::time::Duration;

use api::deploy::{EventKind, Outcome, Phase};
use model::Span;
use tokio::time::sleep;

use super::{
    faults::full_disk,
    rig::{Rig, manifest, site},
};
use crate::RefusedKind;

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_run_is_told_that_its_end_is_not_written_down() {
    for blocked in [Blocked::Disk, Blocked::Books] {
        is_told(blocked).await;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Blocked {
    Disk,
    /// The journal still has room in its last block, as it often is on a full disk.
    Books,
}

async fn is_told(blocked: Blocked) {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let mut next = manifest(&shop, "good");
    next.deploy.bake_time = Span::secs(20);
    let started = rig.begin(&next, "two").await.unwrap();
    let underway = async || rig.handle(&shop).status().await.unwrap().deploy;
    while underway().await.unwrap().phase != Phase::Bake {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(underway().await.unwrap().unwritten, None);
    let root = rig.release_dir(&shop, 2).parent().unwrap().parent().unwrap().to_owned();
    match blocked {
        Blocked::Disk => full_disk(&rig, 1, Duration::from_secs(60)),
        Blocked::Books => std::fs::create_dir_all(root.join("state.json.new/in-the-way")).unwrap(),
    }
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
    let before_the_end = ended.events.iter().rev().nth(1).map(|event| &event.kind);
    assert!(
        matches!(before_the_end, Some(EventKind::Warning { warning }) if warning.code == "not-written-down"),
        "{before_the_end:?}"
    );
    rig.all_end_again_and_again();
    // While it is tried again and again, whatever the task of the site is at.
    let first = underway().await.unwrap().unwritten.unwrap();
    for _ in 0..20 {
        assert_eq!(underway().await.unwrap().unwritten.as_ref(), Some(&first));
        let refused = rig.begin(&manifest(&shop, "good"), "three").await.unwrap_err();
        assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Locked, "locked"));
        assert_eq!(refused.explain.help, first.why.help);
        assert_eq!(refused.explain.causes.last(), Some(&format!("since {}: {}", first.since, first.why)));
        sleep(Duration::from_millis(700)).await;
    }
    if blocked == Blocked::Books {
        std::fs::remove_dir_all(root.join("state.json.new")).unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    assert!(underway().await.is_none());
    // Whoever was told that it serves is not contradicted by a second bake, in which all of it has ended.
    let last = rig.handle(&shop).status().await.unwrap().last.unwrap();
    assert_eq!((last.outcome, rig.serving(&shop).await), (Some(Outcome::Served), Some(2)));
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "three").await.outcome, Outcome::Served);
    rig.check(&shop).await;
}
