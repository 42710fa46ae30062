//! A migration that is held: each way out of it, where the release that is held has none of its own.

use std::time::Duration;

use api::{
    deploy::Outcome,
    migrate::{Found, MigrateStatus},
};
use model::{Site, manifest::Manifest, schema::DataSchema};

use super::rig::{Ended, Rig, caller, manifest, migration, site};
use crate::{MigrateVerb, RefusedKind, Wanted};

/// For this schema by `command`, without a way down.
fn migrating(shop: &Site, schema: u64, command: &str) -> Manifest {
    let mut manifest = manifest(shop, "good");
    let mut migrate = migration(schema, command, Some(1));
    migrate.down_command = None;
    manifest.migrate = Some(migrate);
    manifest
}

/// Release 1 serves on schema 1, and the migration of release 2 to schema 3 is held.
async fn held_by(command: &str) -> (Rig, Site) {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1"), "one").await;
    let ended = rig.deploy(&migrating(&shop, 3, command), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "migration-held"), "{:?}", ended.error);
    (rig, shop)
}

async fn by_hand(rig: &Rig, shop: &Site, verb: MigrateVerb) -> Ended {
    let started = rig.handle(shop).migrate(verb, caller()).await.unwrap();
    rig.follow(shop, &started).await
}

async fn status(rig: &Rig, shop: &Site) -> MigrateStatus {
    rig.handle(shop).migrate_status().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_begun_and_did_not_end_is_no_unchanged_database() {
    let (rig, shop) = held_by("begun").await;
    let said = status(&rig, &shop).await;
    let held = said.held.unwrap();
    assert!(held.causes.iter().any(|cause| cause.contains("2_b.sql was begun")), "{held:?}");
    assert_eq!(said.found, Some(Found::At { version: 1, half_done: vec!["2_b.sql".into()] }));
    // The same step again: it is held on, for the same reason.
    let ended = by_hand(&rig, &shop, MigrateVerb::Retry).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "migration-held"));
    // A release without that step leads nowhere, and leaves what is held.
    let ended = rig.deploy(&migrating(&shop, 1, "to:1"), "three").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "held"));
    assert!(status(&rig, &shop).await.held.is_some());
    let ended = rig.deploy(&migrating(&shop, 3, "to:3"), "four").await;
    assert_eq!(ended.outcome, Outcome::Served, "{:?}", ended.error);
    let said = status(&rig, &shop).await;
    assert!(said.held.is_none());
    assert_eq!(said.found, Some(Found::At { version: 3, half_done: Vec::new() }));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_mended_release_goes_on_from_where_the_database_is_and_is_held_itself_if_it_fails() {
    let (rig, shop) = held_by("half:2").await;
    let refused = rig.begin(&manifest(&shop, "good"), "three").await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.explain.code.as_str()),
        (RefusedKind::Conflict, "held"),
        "it has no migration"
    );
    let ended = rig.deploy(&migrating(&shop, 3, "fail"), "four").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "migration-held"), "2 is not where it began");
    assert_eq!(rig.serving(&shop).await, Some(1));
    let rig = rig.next_keeper().await;
    let ended = rig.deploy(&migrating(&shop, 3, "to:3"), "five").await;
    assert_eq!(ended.outcome, Outcome::Served, "{:?}", ended.error);
    let said = status(&rig, &shop).await;
    assert!(said.held.is_none());
    assert_eq!(said.data, Some(DataSchema { version: 3, floor: 1 }));
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_was_set_back_by_hand_ends_what_is_held() {
    let (rig, shop) = held_by("half:2").await;
    // Held twice, it is still the schema before the first that counts.
    assert_eq!(by_hand(&rig, &shop, MigrateVerb::Retry).await.outcome, Outcome::Held);
    let rig = rig.next_keeper().await;
    // Until it is taken over, nobody asks the database.
    while status(&rig, &shop).await.found.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.machine.lock().databases.insert(shop.clone(), 1);
    let said = status(&rig, &shop).await;
    assert_eq!(said.data.unwrap().version, 2, "as it was known");
    assert_eq!(said.found, Some(Found::At { version: 1, half_done: Vec::new() }), "and as it is");
    let run = rig.machine.lock().migrations_run;
    let ended = by_hand(&rig, &shop, MigrateVerb::Retry).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "migration-given-up"));
    assert_eq!(rig.machine.lock().migrations_run, run, "nothing was run");
    let said = status(&rig, &shop).await;
    assert!(said.held.is_none());
    assert_eq!(said.data.unwrap().version, 1);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_was_set_to_the_target_by_hand_is_not_migrated_again() {
    let (rig, shop) = held_by("half:2").await;
    rig.machine.lock().databases.insert(shop.clone(), 3);
    let run = rig.machine.lock().migrations_run;
    let ended = by_hand(&rig, &shop, MigrateVerb::Retry).await;
    assert_eq!(ended.outcome, Outcome::Unchanged, "{:?}", ended.error);
    assert_eq!(rig.machine.lock().migrations_run, run, "nothing was run");
    let said = status(&rig, &shop).await;
    assert!(said.held.is_none());
    assert_eq!(said.data, Some(DataSchema { version: 3, floor: 1 }));
}

#[tokio::test(start_paused = true)]
async fn without_a_way_down_what_is_held_says_the_other_ways() {
    let (rig, shop) = held_by("half:2").await;
    let held = status(&rig, &shop).await.held.unwrap();
    assert!(!held.help.unwrap().contains("migrate down"), "there is none");
    let ended = by_hand(&rig, &shop, MigrateVerb::Down).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "no-down-command"));
    let help = ended.error.unwrap().help.unwrap();
    assert!(help.contains("mended release") && !help.contains("migrate down"), "{help}");
    // A failed deploy of a mended release that leaves the database where it was before all ends it, too.
    rig.machine.lock().databases.insert(shop.clone(), 1);
    let ended = rig.deploy(&migrating(&shop, 3, "fail"), "three").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "migration-failed"));
    assert!(status(&rig, &shop).await.held.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_waited_while_a_migration_came_to_be_held_is_refused_and_may_be_asked_for_again() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1"), "one").await;
    let started = rig.begin(&migrating(&shop, 2, "half:2"), "two").await.unwrap();
    let mended = migrating(&shop, 2, "to:2");
    let waiting = || Wanted { wait: Duration::from_secs(600), ..rig.wanted(&mended, "three") };
    let refused = rig.handle(&shop).deploy(waiting(), caller()).await.expect_err("nobody has seen that");
    assert_eq!(refused.explain.code, "held");
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Held);
    // Whoever waits for the end of another try has seen it.
    let retried = rig.handle(&shop).migrate(MigrateVerb::Retry, caller()).await.unwrap();
    let started = rig.handle(&shop).deploy(waiting(), caller()).await.unwrap();
    rig.follow(&shop, &retried).await;
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert!(status(&rig, &shop).await.held.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_way_to_ask_that_is_broken_is_mended_by_a_release() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1"), "one").await;
    let ended = rig.deploy(&migrating(&shop, 3, "half:2"), "two").await;
    assert_eq!(ended.outcome, Outcome::Held);
    let mut mute = migrating(&shop, 3, "to:3");
    mute.migrate.as_mut().unwrap().status_command = vec!["mute".into()];
    let ended = rig.deploy(&mute, "three").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "schema-unreadable"));
    assert!(status(&rig, &shop).await.held.is_some(), "what is held stays");
    assert_eq!(rig.deploy(&migrating(&shop, 3, "to:3"), "four").await.outcome, Outcome::Served);
}

#[tokio::test(start_paused = true)]
async fn a_contract_step_that_is_wrong_is_mended_by_a_release() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let contracting = |command: &str| {
        let mut manifest = migrating(&shop, 2, "to:2");
        manifest.migrate.as_mut().unwrap().contract_command = Some(vec![command.into()]);
        manifest
    };
    rig.deploy(&migrating(&shop, 1, "to:1"), "one").await;
    rig.deploy(&contracting("fail"), "two").await;
    rig.settled(&shop).await;
    rig.deploy(&contracting("fail"), "three").await;
    rig.settled(&shop).await;
    assert_eq!(by_hand(&rig, &shop, MigrateVerb::Contract).await.code(), "contract-held");
    assert_eq!(by_hand(&rig, &shop, MigrateVerb::Retry).await.code(), "contract-held");
    let ended = rig.deploy(&contracting("to:2"), "four").await;
    assert_eq!(ended.outcome, Outcome::Served, "{:?}", ended.error);
    assert!(status(&rig, &shop).await.held.is_some(), "what was taken away is still not known");
    assert_eq!(by_hand(&rig, &shop, MigrateVerb::Retry).await.outcome, Outcome::Served);
    assert!(status(&rig, &shop).await.held.is_none());
}
