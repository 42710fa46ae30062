//! Some clients get a new release first: each sees one release, and a bad one is met by those alone.

use std::{collections::BTreeMap, time::Duration};

use testkit::{FakeApp, Mainstay, http, wait};

/// Clients, by the last number of their address.
const CLIENTS: u8 = 40;
const BOTH_LIMIT: Duration = Duration::from_secs(20);

/// Behind a proxy that says who its clients are.
fn behind_a_proxy() -> (Mainstay, FakeApp) {
    let mainstay =
        Mainstay::start_with("trusted_proxies = [\"127.0.0.1/32\"]\nclient_ip = \"x-forwarded-for\"");
    let app = FakeApp::new(&mainstay, "fake").deploy("canary", "{ weight = 40, duration = \"20s\" }");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    (mainstay, app)
}

fn ask(mainstay: &Mainstay, app: &FakeApp, client: u8, path: &str) -> http::Answer {
    let from = format!("X-Forwarded-For: 203.0.113.{client}");
    http::ask(mainstay.http(), app.host_name(), "GET", path, &[&from], &[]).expect("an answer")
}

/// Which release each client gets.
fn releases(mainstay: &Mainstay, app: &FakeApp) -> BTreeMap<u8, u64> {
    let release = |client| ask(mainstay, app, client, "/version").json()["release"].as_u64().unwrap_or(0);
    (0..CLIENTS).map(|client| (client, release(client))).collect()
}

/// The look that sees it begin may have been half done before.
fn once_some_have_the_next(
    mainstay: &Mainstay,
    app: &FakeApp,
    before: &BTreeMap<u8, u64>,
) -> BTreeMap<u8, u64> {
    wait::until("some clients get the next release", BOTH_LIMIT, || releases(mainstay, app) != *before);
    releases(mainstay, app)
}

#[test]
fn each_client_sees_one_release_while_some_have_the_next_and_then_all_do() {
    let (mainstay, app) = behind_a_proxy();
    let before = releases(&mainstay, &app);
    let mut deploy = app.clone().next().start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("switch");
    let with_some = once_some_have_the_next(&mainstay, &app, &before);
    let moved = with_some.iter().filter(|(client, release)| before[client] != **release).count();
    assert!((5..=30).contains(&moved), "{moved} of {CLIENTS}");
    assert_eq!(releases(&mainstay, &app), with_some, "nobody sees both");
    assert_eq!(mainstay.serving(&app.site()), 1, "the old one serves");
    let status = mainstay.cli(&["status", "--app", "fake"]).expect_code(0).out;
    assert!(status.contains("40 % of clients get release 2"), "{status}");
    let said = deploy.wait().expect_code(0);
    assert!(said.all().contains("40 % of the clients get release 2 for 20s"), "{said}");
    let after = releases(&mainstay, &app);
    assert!(after.iter().all(|(client, release)| before[client] != *release), "all have the next one");
}

#[test]
fn a_release_that_fails_some_clients_is_taken_back_from_them_and_the_others_never_met_it() {
    let (mainstay, app) = behind_a_proxy();
    let before = releases(&mainstay, &app);
    let next = app.clone().next().env("FAKE_SICK", "{shared_dir}/state/illness");
    let mut deploy = next.start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("switch");
    let with_some = once_some_have_the_next(&mainstay, &app, &before);
    std::fs::write(mainstay.shared(&app.site()).join("state/illness"), "every-third").expect("written");
    let mut failed = 0;
    wait::until("the release is taken back", BOTH_LIMIT, || {
        for client in 0..CLIENTS {
            let is_ill = ask(&mainstay, &app, client, "/").status >= 500;
            assert!(!is_ill || with_some[&client] != before[&client], "client {client} had the old release");
            failed += usize::from(is_ill);
        }
        releases(&mainstay, &app) == before
    });
    assert!(failed > 0, "it was ill");
    let said = deploy.wait().expect_code(3);
    for word in ["release-errs-more", "in the same minutes", "40 % of the clients had release 2"] {
        assert!(said.all().contains(word), "the message does not say {word:?}\n{said}");
    }
    assert_eq!(mainstay.serving(&app.site()), 1);
    wait::until("the new release is stopped", BOTH_LIMIT, || mainstay.instances(&app.site()).len() == 2);
}
