//! Hooks of an app around its deploys, and the record that stays of a deploy.

use std::{fs, time::Duration};

use testkit::{FakeApp, Mainstay, wait};

const SOON: Duration = Duration::from_secs(40);

/// Each writes down what it was told; a file forbids deploys, another one makes the hook after them fail.
const HOOKS: &str = r#"
[hooks.pre_deploy]
command = ["/bin/sh", "-c", "cd $STATE; echo $MAINSTAY_HOOK $MAINSTAY_RELEASE from=$MAINSTAY_FROM by=$MAINSTAY_OPERATOR uid=$(id -u) >> hooks; if test -e veto; then echo not on a friday; exit 7; fi; if test -e hang; then exec sleep 1000; fi"]
timeout = "3s"
env = { STATE = "{shared_dir}/state" }
[hooks.post_deploy]
command = ["/bin/sh", "-c", "cd $STATE; echo $MAINSTAY_HOOK $MAINSTAY_RELEASE $MAINSTAY_OUTCOME >> hooks; test ! -e grumble || exit 9"]
env = { STATE = "{shared_dir}/state" }
[hooks.on_rollback]
command = ["/bin/sh", "-c", "cd $STATE; echo $MAINSTAY_HOOK $MAINSTAY_RELEASE $MAINSTAY_OUTCOME >> hooks"]
env = { STATE = "{shared_dir}/state" }
"#;

#[test]
fn hooks_veto_and_warn_and_the_report_tells_each_phase() {
    let mainstay = Mainstay::start();
    let mut app = FakeApp::new(&mainstay, "fake").tables(HOOKS);
    let state = mainstay.shared(&app.site()).join("state");
    let hooks = || fs::read_to_string(state.join("hooks")).unwrap_or_default();
    let flag = |name: &str| fs::write(state.join(name), "").expect("the shared folder");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let all = hooks();
    assert!(all.contains("pre_deploy 1 from= by=") && all.contains("post_deploy 1 serving"), "{all}");
    if rustix::process::geteuid().is_root() {
        assert!(!all.contains("uid=0"), "a hook is the app's, not root's: {all}");
    }

    app = app.next();
    flag("veto");
    let said = app.deploy_to(&mainstay, &[]).expect_code(4).all();
    assert!(said.contains("hook-vetoed") && said.contains("not on a friday"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 1);
    assert!(!hooks().contains("post_deploy 2"));
    let told = mainstay.cli_in(app.folder(), &["report"]).expect_code(0).out;
    assert!(
        told.contains("deploy of fake/production: aborted") && told.contains("hook pre_deploy: exit 7"),
        "{told}"
    );
    assert!(told.contains("not on a friday"), "{told}");
    fs::remove_file(state.join("veto")).expect("it is there");

    flag("hang");
    let said = app.deploy_to(&mainstay, &[]).expect_code(4).all();
    assert!(said.contains("did not end within its time"), "{said}");
    fs::remove_file(state.join("hang")).expect("it is there");

    flag("grumble");
    let said = app.deploy_to(&mainstay, &[]).expect_code(0).all();
    assert!(said.contains("hook-failed"), "{said}");
    let serving = mainstay.serving(&app.site());
    let told = mainstay.cli_in(app.folder(), &["report", "--json"]).expect_code(0);
    let report = &told.json_lines()[0];
    let phases: Vec<_> = report["phases"]
        .as_array()
        .expect("phases")
        .iter()
        .map(|p| p["phase"].as_str().expect("a name"))
        .collect();
    assert!(phases.windows(3).any(|p| p == ["gate", "switch", "bake"]), "{phases:?}");
    let bake = &report["phases"][phases.iter().position(|p| *p == "bake").expect("there")];
    assert!(bake["seconds"].as_f64().expect("a time") >= 1.0, "{bake}");
    assert_eq!(
        (report["outcome"].as_str(), report["warnings"][0]["code"].as_str()),
        (Some("served"), Some("hook-failed"))
    );
    assert!(report["operator"].is_string() && report["seconds"].as_f64().expect("a time") > 2.0);
    fs::remove_file(state.join("grumble")).expect("it is there");

    // A keeper that dies at the hook: the deploy ends well, and the hook is not begun again.
    app = app.next();
    mainstay.die_at("hook-post_deploy");
    app.deploy_to(&mainstay, &["--json"]).expect_code(0);
    wait::until("the keeper has died there", SOON, || !mainstay.is_deadly("hook-post_deploy"));
    let newest = mainstay.serving(&app.site());
    assert!(newest > serving && !hooks().contains(&format!("post_deploy {newest}")), "{}", hooks());

    mainstay.cli_in(app.folder(), &["rollback"]).expect_code(0);
    assert!(hooks().contains(&format!("on_rollback {serving} serving")), "{}", hooks());
    let of_one = mainstay.cli_in(app.folder(), &["report", "--release", "1"]).expect_code(0).out;
    assert!(of_one.contains("release   - -> 1") && of_one.contains("hook post_deploy: exit 0"), "{of_one}");
    mainstay.cli_in(app.folder(), &["report", "NOPE"]).expect_code(1);
}
