//! A page in place of the site: who put it up stays to be read.

use api::deploy::Outcome;
use model::Notice;

use super::rig::{Rig, caller, manifest, site};
use crate::Caller;

fn key() -> Caller {
    Caller { operator: "key ci".into(), ..caller() }
}

#[tokio::test(start_paused = true)]
async fn who_puts_a_page_up_or_takes_it_down_is_recorded() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.settled(&shop).await;
    let handle = rig.handle(&shop);
    handle.post(Some(Notice::default()), key()).await.unwrap();
    handle.post(None, caller()).await.unwrap();
    let records = handle.records(2).await.unwrap();
    let told: Vec<_> = records.iter().map(|r| (r.verb.as_str(), r.operator.as_str())).collect();
    assert_eq!(told, [("page-off", "anna"), ("page-on", "key ci")]);
    assert!(records.iter().all(|record| record.ended.is_some()));
    // Beside a run it stands in what that run tells.
    let started = rig.begin(&manifest(&shop, "slow:5"), "two").await.unwrap();
    handle.post(Some(Notice::default()), key()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!(ended.outcome, Outcome::Served);
    assert!(format!("{:?}", ended.events).contains("page-on by key ci"), "{:?}", ended.events);
    rig.check(&shop).await;
}
