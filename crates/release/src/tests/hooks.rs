//! Hooks: the one before a deploy vetoes, those after it warn, none is begun twice.

use api::deploy::{EventKind, Outcome, Phase};
use model::{
    Site, Span,
    manifest::{Hook, Manifest},
};
use tokio::time::sleep;

use super::rig::{Ended, Rig, manifest, site};
use crate::world::JobKind;

fn hook(command: &str) -> Option<Hook> {
    let env = [("OWN".to_owned(), "1".to_owned())].into();
    Some(Hook { command: vec![command.into()], timeout: Span::secs(60), env, env_secrets: Vec::new() })
}

fn hooked(shop: &Site, behaviour: &str, pre: &str, post: &str) -> Manifest {
    let mut manifest = manifest(shop, behaviour);
    manifest.deploy.bake_time = Span::secs(5);
    manifest.hooks.pre_deploy = hook(pre);
    manifest.hooks.post_deploy = hook(post);
    manifest.hooks.on_rollback = hook("takes:0");
    manifest
}

fn begun(rig: &Rig) -> Vec<JobKind> {
    std::mem::take(&mut rig.machine.lock().hooks).into_iter().map(|(kind, _)| kind).collect()
}

fn warned(ended: &Ended) -> Vec<String> {
    let code = |kind: &EventKind| match kind {
        EventKind::Warning { warning } => Some(warning.code.clone()),
        _ => None,
    };
    ended.events.iter().filter_map(|event| code(&event.kind)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hook_before_a_deploy_forbids_it_and_nothing_of_it_runs() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&hooked(&shop, "good", "takes:1", "takes:1"), "one").await;
    assert_eq!(begun(&rig), [JobKind::PreDeploy, JobKind::PostDeploy]);
    let ended = rig.deploy(&hooked(&shop, "good", "fails", "takes:1"), "two").await;
    assert_eq!((ended.outcome, ended.code(), ended.serving), (Outcome::Aborted, "hook-vetoed", Some(1)));
    assert!(!ended.phases().contains(&Phase::Start));
    let error = ended.error.unwrap();
    assert_eq!(error.details[0].lines, ["the job fails"]);
    assert!(error.now.unwrap().contains("release 1 still serves"));
    assert_eq!(begun(&rig), [JobKind::PreDeploy]);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_after_a_deploy_only_warns_and_each_is_told_what_happens() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let ended = rig.deploy(&hooked(&shop, "good", "takes:0", "fails"), "one").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(1)));
    assert_eq!(warned(&ended), ["hook-failed"]);
    let told = rig.machine.lock().hooks[1].1.clone();
    let value = |name: &str| told[name].as_str();
    assert_eq!(
        (value("MAINSTAY_HOOK"), value("MAINSTAY_OUTCOME"), value("OWN")),
        ("post_deploy", "serving", "1")
    );
    assert_eq!((value("MAINSTAY_OPERATOR"), value("MAINSTAY_FROM")), ("anna", ""));
    begun(&rig);

    let ended = rig.deploy(&hooked(&shop, "unready-after:6", "takes:0", "takes:0"), "two").await;
    assert_eq!(ended.outcome, Outcome::RolledBack);
    assert_eq!(begun(&rig), [JobKind::PreDeploy, JobKind::OnRollback]);
    rig.settled(&shop).await;
    rig.deploy(&hooked(&shop, "good", "takes:0", "takes:0"), "three").await;
    rig.settled(&shop).await;
    begun(&rig);
    // A way back waits for no veto.
    let back = rig.rollback(&shop, None).await;
    assert_eq!((back.outcome, back.serving), (Outcome::Served, Some(1)));
    assert_eq!(begun(&rig), [JobKind::OnRollback]);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_hook() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&hooked(&shop, "good", "takes:0", "takes:0"), "one").await;
    let started = rig.begin(&hooked(&shop, "good", "takes:50", "takes:0"), "two").await.unwrap();
    sleep(std::time::Duration::from_secs(5)).await;
    let began = tokio::time::Instant::now();
    rig.handle(&shop).cancel(super::rig::caller()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "cancelled"));
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn no_keepers_death_begins_a_hook_twice() {
    for tenth in 0..160 {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&hooked(&shop, "good", "takes:0", "takes:0"), "one").await;
        begun(&rig);
        let started = rig.begin(&hooked(&shop, "good", "takes:2", "takes:2"), "two").await.unwrap();
        sleep(std::time::Duration::from_millis(tenth * 100 + 37)).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        let begun = begun(&rig);
        let times = |kind| begun.iter().filter(|begun| **begun == kind).count();
        assert!(times(JobKind::PreDeploy) <= 1 && times(JobKind::PostDeploy) <= 1, "{tenth}: {begun:?}");
        let served = ended.outcome == Outcome::Served;
        assert_eq!(times(JobKind::PostDeploy), usize::from(served), "{tenth}: {:?}", ended.outcome);
        rig.settled(&shop).await;
        rig.check(&shop).await;
    }
}
