//! `mainstay promote`: what was tried in one environment goes into another as the same bytes.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;
use testkit::{FakeApp, Mainstay};

const STAGING: &str = "fake/staging";
/// Two sites of one machine take different hosts.
const IN_STAGING: &str = "
[[environment.staging.route]]
hosts = [\"staging.test\"]
path_prefix = \"/\"
service = \"web\"
tls = \"optional\"
";

/// Of the release that serves, as `releases` tells it.
fn digest(mainstay: &Mainstay, app: &FakeApp, env: &str) -> String {
    let said = mainstay.cli_in(app.folder(), &["releases", "--env", env, "--json"]).expect_code(0);
    let releases: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said}"));
    let all = releases.as_array().cloned().unwrap_or_default();
    let serving =
        all.iter().find(|release| release["state"] == "serving").unwrap_or_else(|| panic!("{said}"));
    serving["digest"].as_str().expect("a digest").to_owned()
}

fn archive(mainstay: &Mainstay, digest: &str) -> PathBuf {
    mainstay.data().join("artifacts").join(digest.strip_prefix("sha256:").expect("its form"))
}

#[test]
fn what_serves_in_staging_goes_into_production_as_the_same_bytes_whatever_the_folder_holds_now() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").tables(IN_STAGING);
    let cli = |words: &[&str]| mainstay.cli_in(app.folder(), words);
    let promote = ["promote", "staging", "production"];
    app.write();
    let said = cli(&promote).expect_code(1);
    assert!(said.all().contains("fake/staging"), "nothing is there yet: {said}");
    app.deploy_to(&mainstay, &["--env", "staging"]).expect_code(0);
    let tried = digest(&mainstay, &app, "staging");

    // The folder goes on; what was tried does not.
    fs::write(app.folder().join("later"), "not yet").expect("written");
    let plan = cli(&[&promote[..], &["--dry-run"]].concat()).expect_code(2);
    assert!(plan.all().contains(&tried[..19]), "the plan names the bytes: {plan}");
    let status = cli(&["status"]).expect_code(0);
    assert!(status.out.contains("serves nothing yet"), "{status}");
    let said = cli(&promote).expect_code(0);
    assert!(!said.all().contains("Packed") && !said.all().contains("Sent"), "{said}");
    assert_eq!(digest(&mainstay, &app, "production"), tried);
    let answer = mainstay.get(app.host_name(), "/health").expect("production answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    cli(&promote).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 1, "nothing had to change");

    for (words, why) in [
        (&["promote", "staging", "staging"][..], "to itself"),
        (&["promote", "staging", "production", "--env", "staging"], "a third time"),
        (&["promote", "staging", "production", "--release", "7"], "no release 7"),
        (&["promote", "attic", "production"], "fake/attic"),
    ] {
        let said = cli(words).expect_code(1);
        assert!(said.all().contains(why), "{why}\n{said}");
    }
}

#[test]
fn archives_of_what_serves_anywhere_are_kept_and_one_that_is_gone_is_told() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").tables(IN_STAGING);
    app.deploy_to(&mainstay, &["--env", "staging"]).expect_code(0);
    let archive = archive(&mainstay, &digest(&mainstay, &app, "staging"));
    let aged = Command::new("touch").args(["-d", "2 hours ago"]).arg(&archive).status();
    assert!(aged.expect("touch is there").success());
    // Another site prunes at the end of its deploy.
    let other = FakeApp::new(&mainstay, "other");
    other.deploy_to(&mainstay, &[]).expect_code(0);
    other.next().deploy_to(&mainstay, &[]).expect_code(0);
    assert!(archive.exists(), "it is of what serves in {STAGING}");
    mainstay.cli_in(app.folder(), &["promote", "staging", "production"]).expect_code(0);

    fs::remove_file(&archive).expect("removed");
    mainstay.cli_in(app.folder(), &["destroy", "--yes", "fake/production"]).expect_code(0);
    let said = mainstay.cli_in(app.folder(), &["promote", "staging", "production"]).expect_code(1);
    assert!(
        said.all().contains("not kept any more") && said.all().contains("deploy it to staging"),
        "{said}"
    );
}
