//! `[deploy] approval = true`: a deploy waits, staged, for another operator, over the deaths of keepers.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
    time::Duration,
};

use testkit::{FakeApp, Mainstay, wait};

use crate::serving_fake;

const SOON: Duration = Duration::from_secs(30);

/// What a key of role `deploy` is answered: an operator of another name than whoever runs the tests.
fn by_a_key(mainstay: &Mainstay, key: &str, deploy: &str) -> String {
    let words = ["proxy", "--role", "deploy", "--app", "fake/production", "--key", key];
    let mut child =
        mainstay.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary");
    let body = format!("{{\"deploy\":\"{deploy}\"}}");
    let head = "POST /v1/apps/fake/production/approve HTTP/1.1\r\nhost: mainstay\r\nconnection: close\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    child.stdin.as_mut().expect("piped").write_all(request.as_bytes()).expect("sent");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let status = lines.nth(1).expect("a greeting, and an answer").expect("read");
    child.kill().expect("ended");
    child.wait().expect("ended");
    status
}

fn waiting(mainstay: &Mainstay, app: &FakeApp) -> Option<String> {
    let status = mainstay.status(&app.site());
    let deploy = &status["deploy"];
    let command = format!("mainstay approve {}", deploy["deploy"].as_str()?);
    (deploy["phase"] == "approve" && deploy["approval"]["command"] == command.as_str())
        .then(|| deploy["deploy"].as_str().map(ToOwned::to_owned))?
}

#[test]
fn a_deploy_waits_for_another_operator_over_the_death_of_the_keeper() {
    let (mut mainstay, app) = serving_fake();
    let app = app.deploy("approval", "true").next();
    let cli = |words: &[&str]| mainstay.cli_in(app.folder(), words);
    let plan = app.deploy_to(&mainstay, &["--dry-run"]).expect_code(2);
    assert!(plan.all().contains("waits for another operator"), "{plan}");
    let mut client = app.start_deploy(&mainstay, &["--json"]);
    client.wait_for_phase("approve");
    wait::until("it says that it waits", SOON, || waiting(&mainstay, &app).is_some());
    let deploy = waiting(&mainstay, &app).expect("it waits");
    let own = cli(&["approve", &deploy]).expect_code(1);
    assert!(own.all().contains("own-deploy") && own.all().contains("somebody else"), "{own}");
    let status = cli(&["status"]).expect_code(0);
    assert!(status.out.contains(&format!("mainstay approve {deploy}")), "{status}");
    let locked = cli(&["restart"]).expect_code(75);
    assert!(locked.all().contains("waits for an approval"), "{locked}");

    mainstay.kill_keeper();
    wait::until("the next keeper waits on", SOON, || waiting(&mainstay, &app).as_ref() == Some(&deploy));
    cli(&["freeze", "--until", "1h", "--reason", "the sale"]).expect_code(0);
    assert!(by_a_key(&mainstay, "lead", &deploy).contains("409"), "not while deploys are frozen");
    cli(&["freeze", "--lift"]).expect_code(0);
    assert!(by_a_key(&mainstay, "lead", &deploy).contains("204"));
    let said = client.wait().expect_code(0);
    for told in ["waits for another operator", &format!("mainstay approve {deploy}"), "approved by key lead"]
    {
        assert!(said.all().contains(told), "{told}\n{said}");
    }
    assert_eq!(mainstay.serving(&app.site()), 2);
    let events = cli(&["events"]).expect_code(0);
    assert!(events.out.contains("approved by key lead@"), "{events}");
    mainstay.down();
}

#[test]
fn a_pipeline_leaves_it_waiting_and_a_rollback_does_not_wait_for_it() {
    let (mut mainstay, app) = serving_fake();
    let app = app.next();
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let app = app.deploy("approval", "true").next();
    let cli = |words: &[&str]| mainstay.cli_in(app.folder(), words);
    let left = app.deploy_to(&mainstay, &["--leave-waiting"]).expect_code(6);
    assert!(left.all().contains("mainstay approve") && left.all().contains("attach"), "{left}");
    wait::until("it waits", SOON, || waiting(&mainstay, &app).is_some());
    cli(&["rollback"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 1);
    let events = cli(&["events"]).expect_code(0);
    assert!(events.out.contains("gave way to the rollback of"), "{events}");
    app.clone().next().deploy_to(&mainstay, &["--leave-waiting"]).expect_code(6);
    wait::until("it waits", SOON, || waiting(&mainstay, &app).is_some());
    cli(&["cancel"]).expect_code(0);
    cli(&["attach"]).expect_code(4);
    assert_eq!(mainstay.serving(&app.site()), 1);
    mainstay.down();
}
