//! Journey 4: two apps on one machine, one of them in two environments, deployed at the same time.

use testkit::{FakeApp, Judge, Load, Mainstay};

/// The app's other environment has a host of its own.
const STAGING: &str = r#"
[[environment.staging.route]]
hosts = ["staging.one.test"]
path_prefix = "/"
service = "web"
tls = "optional"
"#;

#[test]
fn two_apps_and_two_environments_are_deployed_at_once_and_do_not_meet() {
    let mainstay = Mainstay::start();
    let one = FakeApp::new(&mainstay, "one").tables(STAGING);
    let two = FakeApp::new(&mainstay, "two");
    let both = ["one/production", "one/staging", "two/production"];
    let hosts = ["one.test", "staging.one.test", "two.test"];
    let mut judges = Vec::new();
    for round in 1..=2 {
        let deploys = [
            one.start_deploy(&mainstay, &[]),
            one.start_deploy(&mainstay, &["--env", "staging"]),
            two.start_deploy(&mainstay, &[]),
        ];
        for deploy in deploys {
            deploy.wait().expect_code(0);
        }
        for site in both {
            assert!(mainstay.serving(site) >= 1, "{site} serves in round {round}");
        }
        std::fs::write(one.folder().join("round"), round.to_string()).expect("written");
        std::fs::write(two.folder().join("round"), round.to_string()).expect("written");
        if round == 1 {
            // The second round is under load: three deploys at the same time, and nobody notices.
            let light = Load { short: 2, slow: 2, pausing: 0, writers: 1, ..Load::requests() };
            judges.extend(hosts.map(|host| Judge::start(mainstay.target(host), light.clone())));
            judges.iter().for_each(|judge: &Judge| judge.wait_answers(20));
        }
    }
    let one = one.next();
    judges.iter().for_each(|judge| judge.wait_answers(20));
    one.deploy_to(&mainstay, &["--env", "staging"]).expect_code(0);
    assert_eq!(mainstay.serving("one/staging"), 3);
    assert_eq!(
        (mainstay.serving("one/production"), mainstay.serving("two/production")),
        (2, 2),
        "others untouched"
    );
    for (judge, site) in judges.into_iter().zip(both.map(|site| if site == "one/staging" { 3 } else { 2 })) {
        judge.expect_release(site);
        judge.wait_answers(50);
        judge.finish(None).assert_nothing_failed();
    }
    let ledgers = ["one/production", "one/staging", "two/production"].map(|site| {
        std::fs::read_to_string(mainstay.shared(site).join("state/ledger"))
            .expect("each site has its own data")
    });
    assert!(ledgers.iter().all(|ledger| !ledger.is_empty()), "each site wrote to its own");
}

#[test]
fn a_deploy_that_claims_anothers_route_is_refused_in_the_plan() {
    let mainstay = Mainstay::start();
    let one = FakeApp::new(&mainstay, "one");
    one.deploy_to(&mainstay, &[]).expect_code(0);
    let thief = FakeApp::new(&mainstay, "thief").host("one.test");
    let said = thief.deploy_to(&mainstay, &[]).expect_code(1);
    assert!(
        said.all().contains("one/production") && said.all().contains("one.test"),
        "it says whose it is\n{said}"
    );
    let answer = mainstay.get("one.test", "/version").expect("one still answers").json();
    assert_eq!(answer["instance"].as_str().map(|name| &name[..6]), Some("web.1."), "{answer}");
    assert!(mainstay.instances("one/production").len() == 2);
}

#[test]
fn an_unknown_host_gets_the_edges_own_page_and_never_an_app() {
    let mainstay = Mainstay::start();
    FakeApp::new(&mainstay, "one").deploy_to(&mainstay, &[]).expect_code(0);
    let answer = mainstay.get("nobody.test", "/").expect("the edge answers");
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert!(answer.header("x-instance").is_none());
}
