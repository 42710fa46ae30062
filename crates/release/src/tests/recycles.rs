//! Instances that are replaced though nothing is wrong with them.

use std::time::Duration;

use api::deploy::{Outcome, Record};
use model::{
    ByteSize, Site, Span,
    manifest::{Manifest, Overlap, Recycle},
};
use tokio::time::{Instant, sleep};

use super::{
    failpoint,
    rig::{Rig, caller, manifest, site},
};
use crate::{crash_loop::OURSELVES, recycle::VERB};

/// `web` of such a behaviour, recycled so.
fn recycled(shop: &Site, behaviour: &str, recycle: Recycle) -> Manifest {
    let mut manifest = manifest(shop, behaviour);
    manifest.services.get_mut(&"web".parse().unwrap()).unwrap().recycle = Some(recycle);
    manifest
}

fn by_memory() -> Recycle {
    Recycle { memory: Some(ByteSize::mib(160)), ..Recycle::default() }
}

fn of_web(rig: &Rig) -> Vec<String> {
    let inner = rig.machine.lock();
    let names = inner.instances.keys().filter(|(_, name)| name.service.as_str() == "web");
    names.map(|(_, name)| name.to_string()).collect()
}

/// Those that users are sent to and that answer them.
fn ready(rig: &Rig, shop: &Site) -> usize {
    let inner = rig.machine.lock();
    let (_, table) = &inner.tables[shop];
    let pool = table.pools.iter().find(|pool| pool.id == table.routes[0].pool).unwrap();
    pool.upstreams.iter().filter(|u| inner.ready(shop, &pool.id, &u.instance)).count()
}

async fn recycles(rig: &Rig, shop: &Site) -> Vec<Record> {
    let records = rig.handle(shop).records(100).await.unwrap();
    records.into_iter().filter(|record| record.verb == VERB).collect()
}

#[tokio::test(start_paused = true)]
async fn what_leaks_is_replaced_one_by_one_and_never_missed() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&recycled(&shop, "leaks:1", by_memory()), "one").await;
    for _ in 0..900 {
        sleep(Duration::from_secs(1)).await;
        assert!(ready(&rig, &shop) >= 2, "fewer are ready than are wanted");
        assert!(of_web(&rig).len() <= 3, "{:?}", of_web(&rig));
    }
    let status = rig.handle(&shop).status().await.unwrap();
    let web = status.services.iter().find(|s| s.service.as_str() == "web" && s.state == "live").unwrap();
    let count = web.recycled.as_ref().expect("it was recycled").count;
    assert!((8..=16).contains(&count), "{count} in 900 s at 100 s each");
    assert!(web.instances.iter().all(|instance| instance.restarts == 0 && instance.last_exit.is_none()));
    let last = status.last.expect("what somebody did");
    assert_eq!((last.verb.as_str(), last.operator.as_str()), ("deploy", "anna"));
    for record in recycles(&rig, &shop).await.iter().filter(|record| record.ended.is_some()) {
        assert_eq!((record.outcome, record.operator.as_str()), (Some(Outcome::Served), OURSELVES));
        let why = record.reason.as_ref().expect("it says why");
        assert!(why.message.contains("MiB of memory"), "{why}");
    }
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_answered_enough_is_replaced() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    // At 20 a second: 100 s, more or less a tenth.
    let recycle = Recycle { after_requests: Some(2_000), ..Recycle::default() };
    rig.deploy(&recycled(&shop, "good", recycle), "one").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(recycles(&rig, &shop).await.len(), 0);
    sleep(Duration::from_secs(80)).await;
    let why = recycles(&rig, &shop).await.pop().and_then(|record| record.reason).expect("one was replaced");
    assert!(why.message.ends_with("requests"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_to_its_end_and_the_next_one_waits_for_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let until = Instant::now() + Duration::from_secs(500);
    rig.machine.lock().held.insert("web.1.1".parse().unwrap(), until);
    rig.machine.lock().held.insert("web.1.2".parse().unwrap(), until);
    let recycle = Recycle { after: Some(Span::secs(100)), ..Recycle::default() };
    rig.deploy(&recycled(&shop, "good", recycle), "one").await;
    while Instant::now() + Duration::from_secs(10) < until {
        sleep(Duration::from_secs(1)).await;
        assert!(rig.machine.lock().stopped.is_empty(), "it was stopped while it held a stream");
        assert!(of_web(&rig).len() <= 3);
    }
    assert_eq!(recycles(&rig, &shop).await.len(), 1);
    let status = rig.handle(&shop).status().await.unwrap();
    let draining = status.services.iter().find(|s| s.state == "draining").expect("one drains");
    assert_eq!((draining.instances.len(), draining.open.unwrap().streams), (1, 1));
    // It is no release to return to.
    assert_eq!(
        rig.handle(&shop).rollback(Default::default(), caller()).await.unwrap_err().explain.code,
        "no-stable-release"
    );
    sleep(Duration::from_secs(60)).await;
    assert!(!rig.machine.lock().stopped.is_empty(), "its stream is over");
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_person_does_not_wait_for_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&recycled(&shop, "leaks:1", by_memory()), "one").await;
    while rig.handle(&shop).status().await.unwrap().deploy.is_none() {
        sleep(Duration::from_millis(100)).await;
    }
    let ended = rig.deploy(&manifest(&shop, "good"), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
    let cancelled = recycles(&rig, &shop).await.pop().unwrap();
    assert_eq!(cancelled.error.map(|error| error.code), Some("cancelled".into()));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn one_of_what_may_never_run_twice_goes_before_the_next_comes() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut manifest = manifest(&shop, "good");
    let worker = manifest.services.get_mut(&"worker".parse().unwrap()).unwrap();
    worker.overlap = Overlap::Never;
    worker.recycle = Some(Recycle { after: Some(Span::secs(100)), ..Recycle::default() });
    rig.deploy(&manifest, "one").await;
    sleep(Duration::from_secs(200)).await;
    rig.settled(&shop).await;
    let status = rig.handle(&shop).status().await.unwrap();
    let worker = status.services.iter().find(|s| s.service.as_str() == "worker").unwrap();
    assert!(worker.recycled.as_ref().is_some_and(|recycled| recycled.count >= 1));
    assert!(rig.machine.lock().stopped.iter().all(|name| name.service.as_str() == "worker"));
    // That two never ran is watched by the machine.
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn whenever_its_keeper_dies_all_that_are_wanted_serve() {
    for n in [1, 4, 6, 7, 8, 9, 10, 11] {
        for reboot in [false, true] {
            let (rig, shop) = (Rig::new().await, site("shop/production"));
            rig.deploy(&recycled(&shop, "leaks:1", by_memory()), "one").await;
            while rig.handle(&shop).status().await.unwrap().deploy.is_none() {
                sleep(Duration::from_millis(20)).await;
            }
            failpoint::set(n);
            rig.dies_under_way(&shop).await;
            let rig = rig.after_a_death(reboot).await;
            sleep(Duration::from_secs(30)).await;
            rig.settled(&shop).await;
            assert_eq!(
                (of_web(&rig).len(), ready(&rig, &shop)),
                (2, 2),
                "killed at record {n}, reboot: {reboot}"
            );
            rig.check(&shop).await;
        }
    }
}
