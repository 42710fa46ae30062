//! Secrets that are put in, listed and changed while the app serves: nothing fails, and no value is anywhere but in its source
//! and in the processes that were given it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use age::{secrecy::ExposeSecret as _, x25519};
use serde_json::Value;
use testkit::{FakeApp, Load, Mainstay, wait};

use crate::judge;

/// Streams of the load and WebSockets end by their classes.
const DRAINED: Duration = Duration::from_secs(60);

/// Ends at once where its value is one that it cannot work with; the last of the services by its name.
const PICKY: &str = r#"
[service.zealot]
command = ["/bin/sh", "-c", "case $TOKEN in *bad*) echo cannot work with it >&2; exit 3;; esac; exec sleep 1000"]
env_secrets = ["TOKEN"]
"#;

fn app(mainstay: &Mainstay) -> FakeApp {
    FakeApp::new(mainstay, "fake").service("env_secrets = [\"TOKEN\"]").tables(PICKY)
}

/// `mainstay secrets …` with a value on its standard input; gives its code and all it said.
fn secrets(mainstay: &Mainstay, app: &FakeApp, arguments: &[&str], value: &str) -> (i32, String) {
    app.write();
    let mut command = mainstay.command(&[&["secrets"], arguments].concat());
    command.current_dir(app.folder());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the built binary starts");
    // One that does not ask for a value may have ended.
    let _ = child.stdin.take().expect("piped").write_all(value.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// Every instance runs with this value, once the old ones have drained.
fn all_hold(mainstay: &Mainstay, app: &FakeApp, wanted: &str) {
    let value = |pid: u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut variables = environ.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        variables.find_map(|variable| variable.strip_prefix("TOKEN=").map(str::to_owned))
    };
    wait::until(&format!("all run with {wanted}"), DRAINED, || {
        let values: Vec<_> = mainstay.instances(&app.site()).into_values().map(value).collect();
        values.len() == 3 && values.iter().all(|value| value.as_deref() == Some(wanted))
    });
}

fn listed(mainstay: &Mainstay, app: &FakeApp) -> Value {
    let said = mainstay.cli_in(app.folder(), &["secrets", "list", "--json"]).expect_code(0);
    said.json_lines()[0]["secrets"][0].clone()
}

/// Files below `folder` that hold `text`, but for those in `allowed`.
fn files_with(folder: &Path, text: &str, allowed: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
        if kind.is_dir() {
            files_with(&path, text, allowed, found);
        } else if kind.is_file() && !allowed.iter().any(|name| path.ends_with(name)) {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
}

#[test]
fn a_secret_is_rotated_under_load_and_undone_where_the_app_cannot_work_with_it() {
    let mainstay = Mainstay::start();
    let app = app(&mainstay);
    let (code, said) = secrets(&mainstay, &app, &["set", "TOKEN"], "first-value\n");
    assert_eq!(code, 0, "{said}");
    let source = mainstay.data().join("apps/fake/production/secrets.env");
    assert_eq!(fs::metadata(&source).expect("made").permissions().mode() & 0o777, 0o600);
    app.deploy_to(&mainstay, &[]).expect_code(0);
    all_hold(&mainstay, &app, "first-value");
    let judge = judge(&mainstay, &app, Load::mixed());

    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN"], "second-value\n");
    assert!(code == 0 && said.contains("web, zealot has the new value"), "{said}");
    all_hold(&mainstay, &app, "second-value");
    let one = listed(&mainstay, &app);
    assert_eq!(one["used_by"], serde_json::json!(["web", "zealot"]), "{one}");
    assert!(
        one["changed"].is_string() && one["has_former"] == true && one["waits_for_restart"] == false,
        "{one}"
    );

    // Set alone reaches nobody that runs, and the list says so.
    let (_, said) = secrets(&mainstay, &app, &["set", "TOKEN"], "third-value");
    assert!(said.contains("after `mainstay restart`"), "{said}");
    all_hold(&mainstay, &app, "second-value");
    assert_eq!(listed(&mainstay, &app)["waits_for_restart"], true);
    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN", "--undo"], "");
    assert_eq!(code, 0, "{said}");
    all_hold(&mainstay, &app, "second-value");
    assert_eq!(listed(&mainstay, &app)["waits_for_restart"], false);

    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN", "--undo"], "");
    assert!(code == 1 && said.contains("secret-no-former"), "{said}");

    // `web` has taken it when `zealot` cannot: both have the value before again, and nothing else was lost by the try.
    for value in ["fourth-value", "second-value"] {
        assert_eq!(secrets(&mainstay, &app, &["set", "TOKEN"], value).0, 0);
    }
    let before = listed(&mainstay, &app);
    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN"], "bad-value");
    assert!(code == 4 && said.contains("has its value from before again"), "{code}: {said}");
    all_hold(&mainstay, &app, "second-value");
    assert_eq!(listed(&mainstay, &app), before, "as if it had not been");
    let former = fs::read_to_string(source.with_extension("env.former")).expect("it is kept");
    assert_eq!(former, "TOKEN=\"fourth-value\"\n", "what an undo gives back");

    // An undo to a value that it cannot work with, too, is taken back.
    for value in ["bad-value", "second-value"] {
        assert_eq!(secrets(&mainstay, &app, &["set", "TOKEN"], value).0, 0);
    }
    let before = listed(&mainstay, &app);
    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN", "--undo"], "");
    assert!(code == 4 && said.contains("has its value from before again"), "{code}: {said}");
    all_hold(&mainstay, &app, "second-value");
    assert_eq!(listed(&mainstay, &app), before, "as if it had not been");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();

    for arguments in [&["set", "TOKEN=second-value"][..], &["set", "TOKEN"]] {
        let (code, said) = secrets(&mainstay, &app, arguments, "");
        assert!(code == 1 && !said.contains("second-value"), "{said}");
    }
    let told = mainstay.cli_in(app.folder(), &["secrets", "list"]).expect_code(0).all();
    assert!(told.contains("TOKEN") && told.contains("zealot") && !told.contains("-value"), "{told}");
    for value in ["first-value", "second-value", "fourth-value", "bad-value"] {
        let mut found = Vec::new();
        files_with(mainstay.folder(), value, &["secrets.env", "secrets.env.former"], &mut found);
        assert_eq!(found, Vec::<PathBuf>::new(), "{value}");
    }
}

#[test]
fn a_file_of_age_is_a_source_like_any_other_and_an_open_identity_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sealed, identity) = (folder.path().join("fake.age"), folder.path().join("age.key"));
    fs::write(&identity, x25519::Identity::generate().to_string().expose_secret()).expect("written");
    let mode = |mode| fs::set_permissions(&identity, fs::Permissions::from_mode(mode)).expect("own file");
    mode(0o600);
    let mainstay = Mainstay::start_with(&format!(
        "[app.fake.production]\nsecrets = {{ age = {sealed:?}, identity = {identity:?} }}\n"
    ));
    let app = app(&mainstay);
    let (code, said) = secrets(&mainstay, &app, &["set", "TOKEN"], "kept-by-age");
    assert_eq!(code, 0, "{said}");
    assert!(fs::read_to_string(&sealed).expect("made").starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    app.deploy_to(&mainstay, &[]).expect_code(0);
    all_hold(&mainstay, &app, "kept-by-age");
    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN"], "kept-by-age-too");
    assert_eq!(code, 0, "{said}");
    all_hold(&mainstay, &app, "kept-by-age-too");

    mode(0o640);
    let said = mainstay.cli_in(app.folder(), &["restart"]).expect_code(4).all();
    assert!(said.contains("age-identity-open") && said.contains("chmod 600"), "{said}");
    let (code, said) = secrets(&mainstay, &app, &["set", "TOKEN"], "x");
    assert!(code == 1 && said.contains("age-identity-open"), "{said}");
    mode(0o600);
    fs::write(&identity, x25519::Identity::generate().to_string().expose_secret()).expect("written");
    let said = mainstay.cli_in(app.folder(), &["check"]).all();
    assert!(said.contains("does not open"), "{said}");
    all_hold(&mainstay, &app, "kept-by-age-too");
    let mut found = Vec::new();
    files_with(mainstay.folder(), "kept-by-age", &[], &mut found);
    files_with(folder.path(), "kept-by-age", &[], &mut found);
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
fn a_rollback_brings_todays_values_or_with_secrets_those_that_the_release_was_started_with() {
    let mainstay = Mainstay::start();
    let app = app(&mainstay);
    let (code, said) = secrets(&mainstay, &app, &["set", "TOKEN"], "first-value\n");
    assert_eq!(code, 0, "{said}");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = judge(&mainstay, &app, Load::requests());
    judge.expect_any();
    secrets(&mainstay, &app, &["set", "TOKEN"], "second-value\n");
    let app = app.next();
    app.deploy_to(&mainstay, &[]).expect_code(0);
    all_hold(&mainstay, &app, "second-value");
    secrets(&mainstay, &app, &["set", "TOKEN"], "third-value\n");

    mainstay.cli_in(app.folder(), &["rollback"]).expect_code(0);
    all_hold(&mainstay, &app, "third-value");
    assert_eq!(mainstay.serving(&app.site()), 1);
    // Of the releases' last starts that came to a good end.
    mainstay.cli_in(app.folder(), &["rollback", "2"]).expect_code(0);
    all_hold(&mainstay, &app, "third-value");
    secrets(&mainstay, &app, &["set", "TOKEN"], "fourth-value\n");

    // Its keeper dies while it starts what it returns to, and again once that serves.
    let keeper = mainstay.keeper_pid();
    mainstay.die_at("deploy-bake");
    mainstay.cli_in(app.folder(), &["rollback", "1", "--with-secrets", "--json"]).expect_code(0);
    assert!(!mainstay.is_deadly("deploy-bake") && mainstay.keeper_pid() != keeper, "nobody died");
    all_hold(&mainstay, &app, "third-value");
    mainstay.kill_keeper();
    wait::until("another keeper", DRAINED, || mainstay.api("/v1/apps").is_some());
    for (_, pid) in mainstay.instances(&app.site()) {
        testkit::mainstay::processes::kill(pid);
    }
    all_hold(&mainstay, &app, "third-value");
    let said = mainstay.cli_in(app.folder(), &["run", "--", "/bin/sh", "-c", "echo ${#TOKEN}"]);
    assert_eq!(said.expect_code(0).out.trim(), "third-value".len().to_string());
    assert_eq!(listed(&mainstay, &app)["waits_for_restart"], true);

    let data = mainstay.data().join("apps/fake/production/releases");
    let key = mainstay.data().join("secrets.key");
    assert_eq!(fs::metadata(&key).expect("made").permissions().mode() & 0o777, 0o600);
    let sources = ["secrets.env", "secrets.env.former"];
    for value in ["first-value", "second-value", "third-value", "fourth-value"] {
        let mut found = Vec::new();
        files_with(mainstay.folder(), value, &sources, &mut found);
        assert_eq!(found, Vec::<PathBuf>::new(), "{value}");
    }

    // A rotation is a restart: it has today's value, and what was kept before is no way back any more.
    let (code, said) = secrets(&mainstay, &app, &["rotate", "TOKEN"], "fifth-value\n");
    assert_eq!(code, 0, "{said}");
    all_hold(&mainstay, &app, "fifth-value");
    let kept = |release: &str| fs::read_dir(data.join(release).join("secrets")).map_or(0, Iterator::count);
    wait::until("the values of one start are kept", DRAINED, || kept("1") == 1);
    assert_eq!(kept("2"), 1);
    fs::remove_dir_all(data.join("2/secrets")).expect("removed");
    let said = mainstay.cli_in(app.folder(), &["rollback", "2", "--with-secrets"]).expect_code(1).all();
    assert!(said.contains("secrets-not-kept") && said.contains("mainstay secrets set"), "{said}");
    all_hold(&mainstay, &app, "fifth-value");
    judge.finish(None);
}
