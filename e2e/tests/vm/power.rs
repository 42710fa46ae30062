//! Reboots, and power that goes without a word.

use std::time::Duration;

use crate::{
    guest::Guest,
    service::{self, App},
};

#[test]
fn after_a_reboot_what_served_serves_again_and_nobody_types_a_word() {
    let guest = Guest::boot();
    service::install(&guest);
    let app = App::default();
    app.deploy(&guest, "one");
    app.deploy(&guest, "two");
    guest.reboot();
    service::serves_by_itself(&guest, 2);
    assert_eq!(guest.ok("systemctl is-active mainstay mainstay-keeper"), "active\nactive");
    // Both releases are known still: the way back is open.
    guest.ok("mainstay --app fake rollback");
    service::serves_by_itself(&guest, 1);
}

#[test]
fn power_cuts_at_every_part_of_a_deploy_leave_a_release_that_serves() {
    let mut guest = Guest::boot();
    service::install(&guest);
    let app = App { bake_time: Some("20s"), ..App::default() };
    App::default().deploy(&guest, "one");
    // Acknowledged to whoever deployed, so it must be on the disk.
    guest.lose_power();
    service::serves_by_itself(&guest, 1);

    // Before the switch: what is new is taken back.
    app.place(&guest, "two");
    guest.start(service::DEPLOY_WITH_EVENTS).says(&service::entered("start"), Duration::from_secs(60));
    guest.lose_power();
    service::serves_by_itself(&guest, 1);
    settles(&guest);

    // After it: what the edge had said that it serves goes on, and bakes anew.
    app.place(&guest, "three");
    guest.start(service::DEPLOY_WITH_EVENTS).says(&service::entered("bake"), Duration::from_secs(60));
    let switched = service::serving(&guest);
    assert!(switched > 1, "the switch came before the bake");
    guest.lose_power();
    service::serves_by_itself(&guest, switched);
    settles(&guest);
    let deploys = guest.ok("mainstay --app fake events --json");
    assert!(deploys.contains("aborted"), "the deploy that was cut before its switch is told: {deploys}");
}

/// Every deploy comes to its end, and the next one may begin.
fn settles(guest: &Guest) {
    guest.until(
        "no deploy is at work",
        Duration::from_secs(90),
        "mainstay --app fake status --json | grep -v '\"deploy\":{'",
    );
}
