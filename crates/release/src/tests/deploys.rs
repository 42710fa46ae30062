//! Deploys that go well, and everything that users ask for besides.

use std::time::Duration;

use api::{
    deploy::{Outcome, Phase},
    jobs::{Restart, Scale},
};
use model::{Span, manifest::DrainHint};
use tokio::time::{Instant, sleep};

use super::rig::{Rig, caller, manifest, site};
use crate::{RefusedKind, Wanted, What};

#[tokio::test(start_paused = true)]
async fn the_first_deploy_goes_through_all_phases_and_serves() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let ended = rig.deploy(&manifest(&shop, "good"), "one").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(1)));
    use Phase::{Bake, Commit, Drain, Gate, Lock, Migrate, Plan, Preflight, Stage, Start, Switch};
    let all = [Plan, Lock, Preflight, Stage, Migrate, Start, Gate, Switch, Bake, Drain, Commit];
    assert_eq!(ended.phases(), all);
    let status = rig.handle(&shop).status().await.unwrap();
    assert_eq!(status.services.len(), 2);
    assert_eq!(status.services[0].instances[0].name.to_string(), "web.1.1");
    assert_eq!(status.urls, ["http://production.shop.test/"]);
    assert!(rig.release_dir(&shop, 1).join("seal.json").exists());
    assert!(rig.release_dir(&shop, 1).join("files/data").is_symlink());
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_release_takes_over_and_the_old_one_drains_to_its_end() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let old_pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.machine.lock().streams.insert(old_pool, Instant::now() + Duration::from_secs(200));
    let ended = rig.deploy(&manifest(&shop, "good"), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
    let status = rig.handle(&shop).status().await.unwrap();
    let draining = status.services.iter().find(|s| s.state == "draining" && s.service.as_str() == "web");
    assert_eq!(draining.unwrap().open.unwrap().streams, 1);
    assert!(!rig.machine.lock().stopped.iter().any(|name| name.to_string() == "web.1.1"));
    rig.settled(&shop).await;
    assert!(rig.machine.lock().stopped.iter().any(|name| name.to_string() == "web.1.1"));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_change_is_said_and_nothing_is_done() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.machine.lock().instances.len();
    let ended = rig.deploy(&manifest(&shop, "good"), "one").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Unchanged, Some(1)));
    assert_eq!(rig.machine.lock().instances.len(), started);
    // The manifest alone is a deploy with the same artifact.
    let mut changed = manifest(&shop, "good");
    changed.services.values_mut().for_each(|s| drop(s.env.insert("MODE".into(), "new".into())));
    let plan = rig.handle(&shop).plan(rig.wanted(&changed, "one")).await.unwrap();
    let subjects: Vec<&str> = plan.changes.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(subjects, ["service.web.env.MODE", "service.worker.env.MODE"]);
    assert!(plan.changes.iter().all(|c| c.after.as_deref() != Some("new")), "values stay unsaid");
    assert_eq!(rig.deploy(&changed, "one").await.serving, Some(2));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_warm_release_moves_the_pointer_alone() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let old_pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    let mut quiet = manifest(&shop, "good");
    quiet.routes.clear();
    rig.machine.lock().streams.insert(old_pool, Instant::now() + Duration::from_secs(500));
    // Its worker has no streams to wait for: without it the release is not warm as a whole.
    let mut web_only = manifest(&shop, "good");
    web_only.services.retain(|name, _| name.as_str() == "web");
    rig.deploy(&web_only, "two").await;
    let web_pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.machine.lock().streams.insert(web_pool, Instant::now() + Duration::from_secs(500));
    rig.deploy(&web_only, "three").await;
    let started = rig.machine.lock().next_port;
    let began = Instant::now();
    let ended = rig.rollback(&shop, None).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
    assert_eq!(rig.machine.lock().next_port, started, "no instance was started");
    assert!(began.elapsed() < Duration::from_secs(1));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_stopped_release_starts_it_anew_and_gates_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.deploy(&manifest(&shop, "good"), "two").await;
    rig.settled(&shop).await;
    let ended = rig.rollback(&shop, None).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(1)));
    assert!(ended.phases().contains(&Phase::Gate) && !ended.phases().contains(&Phase::Stage));
    rig.settled(&shop).await;
    // A second one does not lead forward again.
    let refused = rig.handle(&shop).rollback(Default::default(), caller()).await.unwrap_err();
    assert_eq!(refused.kind, RefusedKind::NotFound);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn restart_and_scale_replace_and_add_instances_without_a_new_release() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let web: model::ServiceName = "web".parse().unwrap();
    let handle = rig.handle(&shop);
    let started = handle.restart(Restart { service: Some(web.clone()) }, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    let names = |rig: &Rig| {
        let names: Vec<String> = rig.machine.lock().instances.keys().map(|(_, n)| n.to_string()).collect();
        names
    };
    assert_eq!(names(&rig), ["web.1.3", "web.1.4", "worker.1.1"]);
    let started = handle.scale(Scale { service: web.clone(), instances: 4 }, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    assert_eq!(names(&rig), ["web.1.3", "web.1.4", "web.1.5", "web.1.6", "worker.1.1"]);
    let status = handle.status().await.unwrap();
    assert!(status.services[0].scaled && status.services[0].wanted == 4);
    assert_eq!(rig.machine.lock().tables[&shop].1.pools[0].upstreams.len(), 4);
    // The override outlives a deploy that leaves the manifest's number alone, and ends with one that changes it.
    rig.deploy(&manifest(&shop, "good"), "two").await;
    rig.settled(&shop).await;
    assert_eq!(names(&rig).iter().filter(|n| n.starts_with("web")).count(), 4);
    let started = handle.scale(Scale { service: web.clone(), instances: 1 }, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    assert_eq!(names(&rig).iter().filter(|n| n.starts_with("web")).count(), 1);
    let mut three = manifest(&shop, "good");
    three.services.get_mut(&web).unwrap().instances = 3.try_into().unwrap();
    let plan = handle.plan(rig.wanted(&three, "two")).await.unwrap();
    assert_eq!(plan.warnings[0].code, "scale-ends");
    rig.deploy(&three, "two").await;
    rig.settled(&shop).await;
    assert_eq!(names(&rig).iter().filter(|n| n.starts_with("web")).count(), 3);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_names_what_changes_as_the_file_does() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let built = |place| {
        let mut manifest = manifest(&shop, "good");
        manifest.release.build = Some(model::manifest::Build {
            place,
            command: vec!["./build".into()],
            timeout: Span::secs(60),
            env: Default::default(),
            env_secrets: Vec::new(),
            limits: Default::default(),
            network: Default::default(),
        });
        manifest
    };
    rig.deploy(&built(model::manifest::BuildPlace::Client), "one").await;
    rig.settled(&shop).await;
    let wanted = rig.wanted(&built(model::manifest::BuildPlace::Server), "one");
    let plan = rig.handle(&shop).plan(wanted).await.unwrap();
    let subjects: Vec<_> = plan.changes.iter().map(|change| change.subject.as_str()).collect();
    assert!(subjects.contains(&"release.build.where"), "{subjects:?}");
}

#[tokio::test(start_paused = true)]
async fn two_sites_deploy_at_once_and_a_route_belongs_to_one_of_them() {
    let rig = Rig::new().await;
    let (production, staging) = (site("shop/production"), site("shop/staging"));
    let (one, two) = (manifest(&production, "good"), manifest(&staging, "slow:5"));
    let (first, second) = tokio::join!(rig.deploy(&one, "one"), rig.deploy(&two, "two"));
    assert_eq!((first.outcome, second.outcome), (Outcome::Served, Outcome::Served));
    let other = site("blog/production");
    let mut clash = manifest(&other, "good");
    clash.routes[0].hosts.push("staging.shop.test".into());
    let refused = rig.begin(&clash, "three").await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Plan, "route-taken"));
    assert!(refused.explain.message.contains("shop/staging"));
    // A dead site's routes are free again.
    rig.machine.lock().down = true;
    rig.sites.destroy(&staging, true).await.unwrap();
    rig.machine.lock().down = false;
    assert_eq!(rig.deploy(&clash, "three").await.outcome, Outcome::Served);
    rig.check(&production).await;
    rig.check(&other).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_deploy_is_locked_out_or_waits_and_a_newer_one_takes_its_place() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.begin(&manifest(&shop, "slow:5"), "one").await.unwrap();
    let refused = rig.begin(&manifest(&shop, "good"), "two").await.unwrap_err();
    assert_eq!((refused.kind, refused.exit_code()), (RefusedKind::Locked, 75));
    assert!(refused.explain.causes[0].contains("anna"));
    let handle = rig.handle(&shop);
    let waiting =
        |text: &str| Wanted { wait: Duration::from_secs(600), ..rig.wanted(&manifest(&shop, "good"), text) };
    let (older, newer) = (waiting("two"), waiting("three"));
    let (older, newer) = tokio::join!(handle.deploy(older, caller()), async {
        sleep(Duration::from_secs(1)).await;
        handle.deploy(newer, caller()).await
    });
    assert_eq!(older.unwrap_err().explain.code, "superseded");
    let ended = rig.follow(&shop, &newer.unwrap()).await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_house_of_generations_waits_or_is_drained_now() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut two_at_once = manifest(&shop, "good");
    two_at_once.deploy.max_generations = 2;
    rig.deploy(&two_at_once, "one").await;
    let pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.machine.lock().streams.insert(pool, Instant::now() + Duration::from_secs(300));
    rig.deploy(&two_at_once, "two").await;
    let began = Instant::now();
    assert_eq!(rig.deploy(&two_at_once, "three").await.outcome, Outcome::Served);
    assert!(began.elapsed() > Duration::from_secs(250), "waited for the streams of the first");
    let pool = rig.machine.lock().tables[&shop].1.routes[0].pool.clone();
    rig.settled(&shop).await;
    rig.machine.lock().streams.insert(pool, Instant::now() + Duration::from_secs(300));
    rig.deploy(&two_at_once, "four").await;
    let began = Instant::now();
    let wanted = Wanted { drain_now: true, ..rig.wanted(&two_at_once, "five") };
    let started = rig.handle(&shop).deploy(wanted, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert!(began.elapsed() < Duration::from_secs(60), "closed instead of waited for");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn old_releases_are_pruned_but_never_one_that_could_be_needed() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    for n in 1..=6 {
        let ended = rig.deploy(&manifest(&shop, "good"), &format!("release {n}")).await;
        assert_eq!(ended.outcome, Outcome::Served);
        rig.settled(&shop).await;
    }
    sleep(Duration::from_secs(5)).await;
    let releases = rig.handle(&shop).releases().await.unwrap();
    let numbers: Vec<u64> = releases.iter().map(|r| r.number.0).collect();
    // 6 serves and 5 is where a rollback goes; two more are kept.
    assert_eq!(numbers, [6, 5, 4, 3]);
    assert!(rig.release_dir(&shop, 3).exists() && !rig.release_dir(&shop, 2).exists());
    assert_eq!(rig.archives(), 4, "an archive goes with the last release of it");
    assert_eq!(releases[0].state, "serving");
    let gone = What::Existing { release: model::ReleaseNumber(1) };
    let wanted = Wanted { what: gone, wait: Duration::ZERO, drain_now: false };
    let refused = rig.handle(&shop).deploy(wanted, caller()).await.unwrap_err();
    assert_eq!(refused.kind, RefusedKind::NotFound);
    rig.check(&shop).await;
}

/// A way back that is gone is not offered, and what failed pushes no good release out.
#[tokio::test(start_paused = true)]
async fn failed_releases_are_pruned_before_good_ones_and_a_rollback_names_none_that_is_gone() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    for n in 1..=4 {
        rig.deploy(&manifest(&shop, "good"), &format!("release {n}")).await;
        rig.settled(&shop).await;
    }
    for n in 5..=8 {
        assert_eq!(
            rig.deploy(&manifest(&shop, "throws"), &format!("release {n}")).await.outcome,
            Outcome::Aborted
        );
        rig.settled(&shop).await;
    }
    rig.deploy(&manifest(&shop, "good"), "release 9").await;
    rig.settled(&shop).await;
    sleep(Duration::from_secs(5)).await;
    let releases = rig.handle(&shop).releases().await.unwrap();
    let numbers: Vec<u64> = releases.iter().map(|r| r.number.0).collect();
    // 9 serves and 4 is where a rollback goes; two more are kept, and they are good ones.
    assert_eq!(numbers, [9, 4, 3, 2]);
    for back in [4, 3, 2] {
        assert_eq!(rig.rollback(&shop, None).await.serving, Some(back));
        rig.settled(&shop).await;
    }
    let refused = rig.handle(&shop).rollback(Default::default(), caller()).await.unwrap_err();
    assert_eq!(refused.explain.code, "no-stable-release", "1 is gone: {refused:?}");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn the_app_is_told_that_it_drains_only_when_the_bake_has_ended() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut told = manifest(&shop, "good");
    told.drain.hint = DrainHint::Http("/drain".into());
    told.deploy.bake_time = Span::secs(60);
    rig.deploy(&told, "one").await;
    let started = rig.begin(&told, "two").await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.serving(&shop).await, Some(2), "in the bake");
    assert!(rig.machine.lock().hints.is_empty());
    rig.follow(&shop, &started).await;
    rig.settled(&shop).await;
    assert_eq!(rig.machine.lock().hints.len(), 3);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_site_that_settles_ends_its_deploy_and_serves_on() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let started = rig.begin(&manifest(&shop, "good"), "two").await.unwrap();
    rig.handle(&shop).settle().await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Aborted);
    assert_eq!(rig.serving(&shop).await, Some(1));
    rig.check(&shop).await;
    assert!(rig.begin(&manifest(&shop, "good"), "three").await.is_err(), "it takes no deploy any more");
}

#[tokio::test(start_paused = true)]
async fn down_stops_all_and_the_next_start_brings_it_up_again() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    rig.machine.lock().down = true;
    rig.handle(&shop).down().await.unwrap();
    assert!(rig.machine.lock().instances.is_empty());
    let rig = rig.next_keeper().await;
    sleep(Duration::from_secs(10)).await;
    rig.machine.lock().down = false;
    assert_eq!(rig.serving(&shop).await, Some(1));
    assert_eq!(rig.machine.lock().instances.len(), 3);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn destroy_leaves_the_shared_folder_and_the_secrets_unless_it_is_asked_for() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&manifest(&shop, "good"), "one").await;
    let root = rig.release_dir(&shop, 1).parent().unwrap().parent().unwrap().to_owned();
    std::fs::write(root.join("secrets.env"), "KEY=value").unwrap();
    rig.machine.lock().down = true;
    rig.sites.destroy(&shop, false).await.unwrap();
    assert!(rig.machine.lock().instances.is_empty());
    let mut left: Vec<_> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["secrets.env", "shared"]);
    assert!(rig.sites.get(&shop).is_err());
    assert!(rig.machine.lock().tables[&shop].1.routes.is_empty());
    // What is left is no site for the next keeper either, and can still be removed.
    rig.machine.lock().down = false;
    let rig = rig.next_keeper().await;
    assert_eq!(rig.sites.list().len(), 0);
    rig.sites.destroy(&shop, true).await.unwrap();
    assert!(!root.exists());
}
