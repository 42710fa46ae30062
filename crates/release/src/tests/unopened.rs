//! A site whose state does not read: told, left alone, and taken up once it reads.

use super::rig::{Rig, manifest, site};
use crate::{Layout, RefusedKind};

#[tokio::test(start_paused = true)]
async fn a_site_that_does_not_read_is_told_until_it_does_and_then_goes_on() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.settled(&shop).await;
    let file = Layout::new(rig.data.path()).site(&shop).state();
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, "{").unwrap();
    let rig = rig.next_keeper().await;
    let told = |rig: &Rig| {
        let unopened = rig.sites.unopened();
        unopened.into_iter().map(|(site, why)| (site.to_string(), why.code)).collect::<Vec<_>>()
    };
    let unreadable = [("shop/production".to_owned(), "state-unreadable".to_owned())];
    assert_eq!(told(&rig), unreadable);
    assert!(rig.sites.list().is_empty());
    let refused = rig.sites.get(&shop).unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Failed, "state-unreadable"));
    // Taken away for a better one: begun anew from nothing, the site would stop what serves.
    std::fs::remove_file(&file).unwrap();
    assert_eq!(told(&rig), unreadable);

    std::fs::write(&file, good).unwrap();
    assert_eq!(rig.sites.list().len(), 1);
    assert!(told(&rig).is_empty());
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, Some(1));
    assert_eq!(rig.deploy(&manifest(&shop, "good"), "two").await.serving, Some(2));
}
