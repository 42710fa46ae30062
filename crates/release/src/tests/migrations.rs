//! What a deploy does with the database, and what a person does: forward, back, and the end of what older code needed.

use std::time::Duration;

use api::deploy::Outcome;
use model::{manifest::Smoke, schema::DataSchema};
use tokio::time::{Instant, sleep};

use super::{
    failpoint,
    rig::{Rig, caller, manifest, migration, site, with_smoke},
};
use crate::{MigrateVerb, RefusedKind};

#[tokio::test(start_paused = true)]
async fn what_is_down_already_is_not_held_against_a_migration() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with_smoke(migrating(&shop, 1, "to:1", Some(1))), "one").await;
    rig.all_end_again_and_again();
    let ended = rig.deploy(&with_smoke(migrating(&shop, 2, "to:2", Some(1))), "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
}

fn migrating(
    shop: &model::Site,
    schema: u64,
    command: &str,
    compatible_with: Option<u64>,
) -> model::manifest::Manifest {
    let mut manifest = manifest(shop, "good");
    manifest.migrate = Some(migration(schema, command, compatible_with));
    manifest
}

#[tokio::test(start_paused = true)]
async fn migrations_move_the_schema_or_abort_or_hold() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "one").await;
    assert_eq!(rig.machine.lock().migrations_run, 0, "nothing pends");
    let ended = rig.deploy(&migrating(&shop, 2, "fail", Some(1)), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "migration-failed"));
    let ended = rig.deploy(&migrating(&shop, 3, "half:2", Some(1)), "three").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "migration-held"));
    let handle = rig.handle(&shop);
    assert!(handle.migrate_status().await.unwrap().held.is_some());
    let ended = rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "four").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "held"), "it leads nowhere");
    // HELD outlives the keeper.
    let rig = rig.next_keeper().await;
    sleep(Duration::from_secs(1)).await;
    let handle = rig.handle(&shop);
    let started = handle.migrate(MigrateVerb::Down, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Unchanged);
    assert!(handle.migrate_status().await.unwrap().held.is_none());
    let ended = rig.deploy(&migrating(&shop, 3, "to:3", Some(1)), "five").await;
    assert_eq!(ended.outcome, Outcome::Served);
    let data = handle.migrate_status().await.unwrap().data;
    assert_eq!(data, Some(DataSchema { version: 3, floor: 1 }));
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn steps_that_lead_elsewhere_than_the_schema_are_refused_before_one_runs() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let leading = |schema: u64, last: u64| {
        let mut manifest = migrating(&shop, schema, &format!("to:{schema}"), Some(1));
        let migrate = manifest.migrate.as_mut().unwrap();
        migrate.status_command = vec![format!("leads:{last}")];
        manifest
    };
    rig.deploy(&leading(1, 1), "one").await;
    // Above it nothing would be run, below it the schema is never reached.
    for (schema, last) in [(1, 2), (2, 3), (2, 1)] {
        let ended = rig.deploy(&leading(schema, last), &format!("{schema} by {last}")).await;
        assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "schema-not-of-files"));
    }
    assert_eq!(rig.machine.lock().migrations_run, 0);
    assert_eq!(rig.deploy(&leading(2, 2), "two").await.outcome, Outcome::Served);
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_the_serving_release_cannot_survive_is_refused() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "one").await;
    let plan = rig.handle(&shop).plan(rig.wanted(&migrating(&shop, 2, "to:2", None), "two")).await.unwrap();
    assert_eq!(plan.warnings[0].code, "schema-contract", "a plan says what would be refused");
    let ended = rig.deploy(&migrating(&shop, 2, "to:2", None), "two").await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "schema-contract"));
    assert_eq!(rig.machine.lock().migrations_run, 0);
    // Rolling back across a breaking step is refused the same way.
    rig.deploy(&migrating(&shop, 2, "to:2", Some(1)), "three").await;
    rig.deploy(&migrating(&shop, 3, "to:3", Some(2)), "four").await;
    rig.settled(&shop).await;
    let ended = rig.rollback(&shop, Some(1)).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "schema-contract"));
    // What the refusal names as the remedy is one: the release that serves takes the database down.
    let started = rig.handle(&shop).migrate(MigrateVerb::Down, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert_eq!(rig.machine.lock().databases[&shop], 1);
    assert_eq!(rig.rollback(&shop, Some(1)).await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn the_database_does_not_go_below_what_serves_on_it() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut needs_two = migrating(&shop, 2, "to:2", None);
    needs_two.migrate.as_mut().unwrap().code.schema_min = 2;
    rig.deploy(&needs_two, "one").await;
    let refused = rig.handle(&shop).migrate(MigrateVerb::Down, caller()).await.unwrap_err();
    assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Conflict, "schema-contract"));
    assert_eq!(rig.machine.lock().databases[&shop], 2);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_was_moved_by_hand_is_broken_for_older_code() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "one").await;
    rig.machine.lock().databases.insert(shop.clone(), 3);
    rig.deploy(&migrating(&shop, 3, "to:3", Some(1)), "two").await;
    rig.settled(&shop).await;
    let data = rig.handle(&shop).migrate_status().await.unwrap().data;
    assert_eq!(data, Some(DataSchema { version: 3, floor: 3 }));
    let ended = rig.rollback(&shop, Some(1)).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "schema-contract"));
}

#[tokio::test(start_paused = true)]
async fn the_serving_release_is_asked_by_its_own_routes_after_a_migration() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let mut old = migrating(&shop, 1, "to:1", Some(1));
    old.deploy.smoke =
        vec![Smoke { get: "/".into(), host: None, status: 200, contains: None, first_event_within: None }];
    rig.deploy(&old, "one").await;
    // The next release calls its service otherwise.
    let mut new = migrating(&shop, 2, "to:2", Some(1));
    let web = new.services.remove(&"web".parse().unwrap()).unwrap();
    new.services.insert("front".parse().unwrap(), web);
    new.routes[0].service = "front".parse().unwrap();
    let ended = rig.deploy(&new, "two").await;
    assert_eq!((ended.outcome, ended.serving), (Outcome::Served, Some(2)), "{:?}", ended.error);
}

/// Releases one and two of the schemas 1 and 2; what older code needs is taken away by `command`.
async fn before_a_contract(command: &str) -> (Rig, model::Site, model::manifest::Manifest) {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "one").await;
    let mut two = migrating(&shop, 2, "to:2", Some(1));
    two.migrate.as_mut().unwrap().contract_command = Some(vec![command.into()]);
    assert_eq!(rig.deploy(&two, "two").await.outcome, Outcome::Served);
    (rig, shop, two)
}

#[tokio::test(start_paused = true)]
async fn a_contract_step_waits_until_nothing_older_may_serve_and_then_raises_the_floor() {
    let (rig, shop, two) = before_a_contract("to:2").await;
    let handle = rig.handle(&shop);
    let refused = handle.migrate(MigrateVerb::Contract, caller()).await.unwrap_err();
    assert_eq!(refused.explain.code, "schema-contract");
    assert!(refused.explain.message.starts_with("release 1 could still serve"), "{refused:?}");
    rig.settled(&shop).await;
    let refused = handle.migrate(MigrateVerb::Contract, caller()).await.unwrap_err();
    assert!(refused.explain.help.unwrap().contains("deploy once more for schema 2"));
    assert_eq!(rig.machine.lock().migrations_run, 1, "only the deploy's");

    assert_eq!(rig.deploy(&two, "three").await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    let started = handle.migrate(MigrateVerb::Contract, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.outcome, Outcome::Served);
    assert_eq!(rig.machine.lock().migrations_run, 2);
    let data = handle.migrate_status().await.unwrap().data.unwrap();
    assert_eq!((data.version, data.floor), (2, 2));
    // What it took away nobody returns to.
    assert_eq!(rig.rollback(&shop, Some(1)).await.code(), "schema-contract");
    let refused = handle.migrate(MigrateVerb::Contract, caller()).await.unwrap_err();
    assert_eq!(refused.explain.code, "nothing-to-contract");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_contract_step_that_fails_is_held_and_runs_again_by_hand_alone() {
    let (rig, shop, two) = before_a_contract("fail").await;
    assert_eq!(rig.deploy(&two, "three").await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    let handle = rig.handle(&shop);
    let started = handle.migrate(MigrateVerb::Contract, caller()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert_eq!((ended.outcome, ended.code()), (Outcome::Held, "contract-held"));
    assert_eq!(handle.migrate_status().await.unwrap().data.unwrap().floor, 2, "nobody knows what is left");
    for verb in [MigrateVerb::Down, MigrateVerb::Contract] {
        assert_eq!(handle.migrate(verb, caller()).await.unwrap_err().explain.code, "contract-held");
    }
    let started = handle.migrate(MigrateVerb::Retry, caller()).await.unwrap();
    assert_eq!(rig.follow(&shop, &started).await.code(), "contract-held", "it is the contract step again");
    assert_eq!(rig.machine.lock().migrations_run, 3);
    assert_eq!(rig.serving(&shop).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_contract_step_outlives_its_keeper() {
    for (command, outcome) in [("to:2", Outcome::Served), ("fail", Outcome::Held)] {
        let (rig, shop, two) = before_a_contract(command).await;
        rig.deploy(&two, "three").await;
        rig.settled(&shop).await;
        rig.machine.lock().migration_time = Duration::from_secs(30);
        let started = rig.handle(&shop).migrate(MigrateVerb::Contract, caller()).await.unwrap();
        sleep(Duration::from_secs(5)).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        assert_eq!(ended.outcome, outcome, "{:?}", ended.error);
        assert_eq!(rig.machine.lock().migrations_run, 2, "it ran once");
        assert_eq!(rig.handle(&shop).migrate_status().await.unwrap().data.unwrap().floor, 2);
        rig.check(&shop).await;
    }
}

/// Release 2 serves on schema 2 and bears 1, to which the way down leads by `command`.
async fn before_a_way_down(command: &str) -> (Rig, model::Site) {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "one").await;
    let mut two = migrating(&shop, 2, "to:2", Some(1));
    two.migrate.as_mut().unwrap().down_command = Some(vec![command.into()]);
    assert_eq!(rig.deploy(&two, "two").await.outcome, Outcome::Served);
    rig.settled(&shop).await;
    (rig, shop)
}

#[tokio::test(start_paused = true)]
async fn a_way_down_outlives_its_keeper() {
    for (command, outcome, schema) in [("to:1", Outcome::Served, 1), ("fail", Outcome::Aborted, 2)] {
        let (rig, shop) = before_a_way_down(command).await;
        let before = rig.machine.lock().migrations_run;
        rig.machine.lock().migration_time = Duration::from_secs(30);
        let started = rig.handle(&shop).migrate(MigrateVerb::Down, caller()).await.unwrap();
        sleep(Duration::from_secs(5)).await;
        let rig = rig.next_keeper().await;
        let ended = rig.follow(&shop, &started).await;
        assert_eq!(ended.outcome, outcome, "{:?}", ended.error);
        assert_eq!(rig.machine.lock().migrations_run, before + 1, "it ran once");
        let status = rig.handle(&shop).migrate_status().await.unwrap();
        assert_eq!(status.data.unwrap().version, schema);
        assert!(status.held.is_none(), "one that leads nowhere puts nothing in doubt: {:?}", status.held);
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whenever_its_keeper_dies_a_way_down_ends_where_the_database_is() {
    for (nth, reboot) in (1..12).flat_map(|nth| [(nth, false), (nth, true)]) {
        let (rig, shop) = before_a_way_down("to:1").await;
        failpoint::set(nth);
        let Ok(started) = rig.handle(&shop).migrate(MigrateVerb::Down, caller()).await else {
            failpoint::clear();
            continue;
        };
        rig.dies_under_way(&shop).await;
        let rig = rig.after_a_death(reboot).await;
        let ended = rig.follow(&shop, &started).await;
        let version = rig.machine.lock().databases[&shop];
        assert_eq!(ended.outcome == Outcome::Served, version == 1, "after record {nth}: {:?}", ended.error);
        let known = rig.handle(&shop).migrate_status().await.unwrap();
        assert_eq!(known.data.unwrap().version, version, "after record {nth}");
        assert!(known.held.is_none(), "after record {nth}: {:?}", known.held);
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_migration_runs_to_its_end_first() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&migrating(&shop, 1, "to:1", Some(1)), "one").await;
    rig.machine.lock().migration_time = Duration::from_secs(30);
    let started = rig.begin(&migrating(&shop, 2, "to:2", Some(1)), "two").await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    rig.handle(&shop).cancel(caller()).await.unwrap();
    let ended = rig.follow(&shop, &started).await;
    assert!(began.elapsed() > Duration::from_secs(20));
    assert_eq!((ended.outcome, ended.code()), (Outcome::Aborted, "cancelled"));
    assert_eq!(rig.machine.lock().databases[&shop], 2, "the schema moved on, and the end says so");
    rig.check(&shop).await;
}
