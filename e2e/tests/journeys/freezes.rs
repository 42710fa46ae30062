//! `mainstay freeze`: no deploy begins, and everything that a bad hour needs works.

use std::time::Duration;

use rustix::process::Signal;
use testkit::{mainstay::processes, wait};

use crate::serving_fake;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_frozen_site_refuses_deploys_in_words_and_takes_ways_back_until_it_thaws() {
    let (mut mainstay, app) = serving_fake();
    let (site, app) = (app.site(), app.next());
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let cli = |words: &[&str]| mainstay.cli_in(app.folder(), words);

    for (words, why) in [
        (["freeze", "--until", "2020-01-01", "--reason", "too late"], "is over already"),
        (["freeze", "--until", "someday", "--reason", "no time"], "write a day"),
        (["freeze", "--until", "2h", "--reason", " "], "it is empty"),
    ] {
        let said = cli(&words);
        assert!(said.code != 0 && said.all().contains(why), "{said}");
    }
    cli(&["freeze", "--until", "2h"]).expect_code(1);
    cli(&["freeze", "--until", "2h", "--reason", "the sale"]).expect_code(0);

    let newer = app.clone().next();
    let said = newer.deploy_to(&mainstay, &[]).expect_code(1);
    for word in ["frozen until", "the sale", "mainstay rollback", "--lift"] {
        assert!(said.all().contains(word), "{word}\n{said}");
    }
    let plan = newer.deploy_to(&mainstay, &["--dry-run"]);
    assert!(plan.all().contains("the sale"), "who plans is told too: {plan}");
    newer.deploy_to(&mainstay, &["--release", "1"]).expect_code(1);
    let status = cli(&["status"]).expect_code(0);
    assert!(
        status.all().contains("deploys are frozen until") && status.all().contains("the sale"),
        "{status}"
    );
    assert!(mainstay.status(&site)["frozen"]["since"].is_string());

    cli(&["restart"]).expect_code(0);
    cli(&["rollback"]).expect_code(0);
    assert_eq!(mainstay.serving(&site), 1, "back to the release before");

    let keeper = mainstay.keeper_pid();
    processes::signal(keeper, Signal::KILL);
    wait::until("another keeper has it from the books", SOON, || {
        mainstay.keeper_pid() != keeper && mainstay.status(&site)["frozen"]["reason"] == "the sale"
    });
    newer.deploy_to(&mainstay, &[]).expect_code(1);
    mainstay.cli_in(app.folder(), &["freeze", "--lift"]).expect_code(0);
    newer.deploy_to(&mainstay, &[]).expect_code(0);
    let events = mainstay.cli_in(app.folder(), &["events", "--json"]).expect_code(0);
    assert!(events.out.contains("\"freeze\"") && events.out.contains("\"thaw\""), "who and when: {events}");

    mainstay.cli_in(app.folder(), &["freeze", "--until", "3s", "--reason", "a moment"]).expect_code(0);
    wait::until("it ends by itself", SOON, || mainstay.status(&site).get("frozen").is_none());
    newer.next().deploy_to(&mainstay, &[]).expect_code(0);
    mainstay.down();
}
