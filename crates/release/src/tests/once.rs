//! A start is asked once, however often it is sent.

use api::{
    deploy::{Outcome, Rollback, Started},
    jobs::Restart,
    request_key::RequestKey,
};
use tokio::time::Duration;

use super::{
    failpoint,
    rig::{Rig, caller, manifest, site},
};
use crate::{Caller, Refused, RefusedKind, history};

fn keyed() -> Caller {
    Caller { key: Some(RequestKey::fresh()), ..caller() }
}

fn journals(rig: &Rig) -> usize {
    history::deploys(&crate::Layout::new(rig.data.path()).site(&site("shop/production"))).len()
}

async fn restart(rig: &Rig, caller: &Caller) -> Result<Started, Refused> {
    rig.handle(&site("shop/production")).restart(Restart { service: None }, caller.clone()).await
}

#[tokio::test(start_paused = true)]
async fn the_same_start_twice_is_one_run_whatever_became_of_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let (mine, other) = (keyed(), keyed());
    let first = restart(&rig, &mine).await.unwrap();
    assert_eq!(restart(&rig, &mine).await.unwrap().deploy, first.deploy, "while it runs");
    assert_eq!(restart(&rig, &other).await.unwrap_err().kind, RefusedKind::Locked);
    assert_eq!(rig.follow(&shop, &first).await.outcome, Outcome::Served);
    assert_eq!(restart(&rig, &mine).await.unwrap().deploy, first.deploy, "when it has ended");
    assert_eq!(journals(&rig), 2);
    let second = restart(&rig, &other).await.unwrap();
    assert_ne!(second.deploy, first.deploy, "another request is another run");
    rig.follow(&shop, &second).await;
    let refused = rig.handle(&shop).rollback(Rollback::default(), mine.clone()).await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Plan, "request-key-used"));
    let rig = rig.next_keeper().await;
    assert_eq!(restart(&rig, &mine).await.unwrap().deploy, first.deploy, "by another keeper");
    assert_eq!(journals(&rig), 3);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_keeper_died_before_its_answer_is_the_run_that_the_next_one_ends() {
    // After the first record, which alone says what it is, and after the last one before the answer.
    for nth in [1, 3] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&manifest(&shop, "good"), "one").await;
        rig.settled(&shop).await;
        let mine = keyed();
        failpoint::set(nth);
        let unanswered = tokio::time::timeout(Duration::from_secs(5), restart(&rig, &mine)).await;
        assert!(unanswered.is_err() || unanswered.unwrap().is_err(), "died after record {nth}");
        assert!(failpoint::was_hit());
        let rig = rig.next_keeper().await;
        let again = restart(&rig, &mine).await.unwrap();
        assert_eq!(rig.follow(&shop, &again).await.outcome, Outcome::Aborted, "died after record {nth}");
        assert_eq!(journals(&rig), 2, "died after record {nth}");
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_waits_is_asked_again_in_its_own_place() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let running = restart(&rig, &keyed()).await.unwrap();
    let mine = keyed();
    let mut wanted = rig.wanted(&manifest(&shop, "good"), "two");
    wanted.wait = Duration::from_secs(600);
    let (handle, once_more) = (rig.handle(&shop), rig.handle(&shop));
    let older = handle.deploy(wanted.clone(), mine.clone());
    let newer = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        once_more.deploy(wanted.clone(), mine.clone()).await
    };
    let (older, newer) = tokio::join!(older, newer);
    assert_eq!(older.unwrap_err().explain.code, "superseded", "its client is gone");
    let begun = newer.unwrap();
    assert_eq!(rig.follow(&shop, &running).await.outcome, Outcome::Served);
    assert_eq!(rig.follow(&shop, &begun).await.serving, Some(2));
    assert_eq!(journals(&rig), 3);
    rig.check(&shop).await;
}
