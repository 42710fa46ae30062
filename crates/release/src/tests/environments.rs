//! What a release was started with stays with it, and comes back with it.

use std::time::Duration;

use api::{
    deploy::{EventKind, Outcome, Phase, Rollback},
    jobs::Restart,
    status::Release,
};
use model::manifest::Manifest;
use tokio::time::Instant;

use super::rig::{Ended, Rig, caller, manifest, site};
use crate::request::{RefusedKind, Wanted, What};

fn with(shop: &model::Site, variables: &[(&str, &str)]) -> Manifest {
    let mut manifest = manifest(shop, "good");
    let web = manifest.services.get_mut(&"web".parse().unwrap()).unwrap();
    web.env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    web.env_secrets = vec!["KEY".into()];
    manifest
}

async fn release(rig: &Rig, shop: &model::Site, number: u64) -> Release {
    let releases = rig.handle(shop).releases().await.unwrap();
    releases.into_iter().find(|release| release.number.0 == number).unwrap()
}

fn notes(ended: &Ended) -> Vec<String> {
    let note = |kind: &EventKind| match kind {
        EventKind::Note { message, .. } => Some(message.clone()),
        _ => None,
    };
    ended.events.iter().filter_map(|event| note(&event.kind)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rollback_brings_the_variables_of_its_release_and_tells_which_secrets_are_others() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, &[("MODE", "old"), ("ONLY_OLD", "1")]), "one").await;
    rig.settled(&shop).await;
    let first = release(&rig, &shop, 1).await.environment.unwrap();
    rig.machine.lock().secrets_version = 2;
    rig.deploy(&with(&shop, &[("MODE", "new")]), "two").await;
    rig.settled(&shop).await;

    // What was kept of the first is as it was, and the second one has its own.
    let web = &"web".parse().unwrap();
    assert_eq!(release(&rig, &shop, 1).await.environment, Some(first.clone()));
    let second = release(&rig, &shop, 2).await.environment.unwrap();
    assert_eq!(first.services[web].env["ONLY_OLD"], "1");
    assert!(!second.services[web].env.contains_key("ONLY_OLD"));
    let digest = |of: &api::status::Environment| of.services[web].secrets["KEY"].clone().unwrap();
    assert!(digest(&first).starts_with("digest ") && digest(&first) != digest(&second));
    assert!(first.taken.is_some());

    // A dry run of the way back names each difference, of secrets without a value.
    let what = What::Existing { release: model::ReleaseNumber(1) };
    let wanted = Wanted { what, wait: Duration::ZERO, drain_now: false };
    let plan = rig.handle(&shop).plan(wanted).await.unwrap();
    let subjects: Vec<_> = plan.changes.iter().map(|change| change.subject.as_str()).collect();
    assert_eq!(subjects, ["artifact", "service.web.env.MODE", "service.web.env.ONLY_OLD"]);

    let back = rig.rollback(&shop, None).await;
    assert_eq!((back.outcome, back.serving), (Outcome::Served, Some(1)));
    let said = notes(&back).into_iter().find(|line| line.starts_with("release 1 has other values")).unwrap();
    assert!(said.ends_with("in KEY"), "{said}");
    let started = rig.machine.lock().started_with.last_chunk::<3>().unwrap().clone();
    assert!(
        started
            .iter()
            .any(|(name, env)| name.service == *web && env["MODE"] == "old" && env["ONLY_OLD"] == "1")
    );
    assert_eq!(digest(&release(&rig, &shop, 1).await.environment.unwrap()), digest(&second));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_warm_release_keeps_what_it_runs_with() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut web_only = with(&shop, &[]);
    web_only.services.retain(|name, _| name.as_str() == "web");
    rig.deploy(&web_only, "one").await;
    let first = release(&rig, &shop, 1).await.environment;
    let pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.machine.lock().streams.insert(pool, Instant::now() + Duration::from_secs(500));
    rig.machine.lock().secrets_version = 2;
    rig.deploy(&web_only, "two").await;
    let back = rig.rollback(&shop, None).await;
    assert_eq!(back.outcome, Outcome::Served);
    assert!(!back.phases().contains(&Phase::Start), "it was warm");
    assert_eq!(release(&rig, &shop, 1).await.environment, first);
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_fails_leaves_what_runs_with_the_values_that_it_has() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, &[]), "one").await;
    rig.settled(&shop).await;
    let services = async |rig: &Rig| release(rig, &shop, 1).await.environment.unwrap().services;
    let before = services(&rig).await;
    rig.machine.lock().secrets_version = 2;
    let started = rig.handle(&shop).restart(Restart { service: None }, caller()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let rig = rig.next_keeper().await;
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Aborted);
    assert_eq!(services(&rig).await, before);
    let started = rig.handle(&shop).restart(Restart { service: None }, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert_ne!(services(&rig).await, before);
}

fn kept_files(rig: &Rig, shop: &model::Site, release: u64) -> Vec<u64> {
    let layout = crate::layout::Layout::new(rig.data.path()).site(shop);
    let folder = layout.kept_secrets(model::ReleaseNumber(release), 0).parent().unwrap().to_owned();
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut generations: Vec<u64> =
        names.map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
    generations.sort_unstable();
    generations
}

#[tokio::test(start_paused = true)]
async fn a_rollback_with_secrets_brings_their_values_until_the_next_restart() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let with_secrets = Rollback { release: Some(model::ReleaseNumber(1)), with_secrets: true };
    let kept = |rig: &Rig| std::mem::take(&mut rig.machine.lock().started_with_kept);
    rig.deploy(&with(&shop, &[]), "one").await;
    rig.settled(&shop).await;
    let of_first = kept_files(&rig, &shop, 1);
    let first = release(&rig, &shop, 1).await.environment.unwrap();
    rig.machine.lock().secrets_version = 2;
    rig.deploy(&with(&shop, &[]), "two").await;
    rig.settled(&shop).await;
    assert_eq!(kept(&rig), [], "today's values, until it is asked for others");

    let back = rig.rolled_back(&shop, with_secrets.clone()).await;
    assert_eq!((back.outcome, back.serving), (Outcome::Served, Some(1)));
    assert!(notes(&back).iter().any(|line| line.starts_with("release 1 has the values of its secrets from")));
    let started = kept(&rig);
    let file = format!("{}.age", of_first[0]);
    assert!(started.len() == 3 && started.iter().all(|(_, of)| *of == file), "{started:?}");
    let now = release(&rig, &shop, 1).await.environment.unwrap();
    assert_eq!((now.services, now.taken), (first.services, first.taken));
    rig.settled(&shop).await;

    // One more beside them, and all of them after a reboot, have what the others have.
    let scale = api::jobs::Scale { service: "web".parse().unwrap(), instances: 3 };
    let started = rig.handle(&shop).scale(scale, caller()).await.unwrap();
    rig.follow(&shop, &started).await;
    assert_eq!(kept(&rig).len(), 1);
    rig.settled(&shop).await;
    let rig = rig.reboot().await;
    rig.settled(&shop).await;
    assert_eq!(kept(&rig).len(), 4, "three of web, one of worker");

    // A restart takes today's; nobody comes back to the others any more.
    let started = rig.handle(&shop).restart(Default::default(), caller()).await.unwrap();
    rig.follow(&shop, &started).await;
    rig.settled(&shop).await;
    assert_eq!(kept(&rig), []);
    let left = kept_files(&rig, &shop, 1);
    assert!(left.len() == 1 && left[0] > of_first[0], "{left:?}");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn values_that_are_gone_refuse_the_way_back_with_them_and_nothing_begins() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, &[]), "one").await;
    rig.settled(&shop).await;
    rig.machine.lock().secrets_version = 2;
    rig.deploy(&with(&shop, &[]), "two").await;
    rig.settled(&shop).await;
    let layout = crate::layout::Layout::new(rig.data.path()).site(&shop);
    let of = kept_files(&rig, &shop, 1)[0];
    std::fs::remove_file(layout.kept_secrets(model::ReleaseNumber(1), of)).unwrap();
    let asked = Rollback { release: None, with_secrets: true };
    let refused = rig.handle(&shop).rollback(asked, caller()).await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Conflict, "secrets-not-kept"));
    assert_eq!(rig.rollback(&shop, None).await.serving, Some(1));
}
