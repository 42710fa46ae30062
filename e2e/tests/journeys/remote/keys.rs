//! Keys that may deploy or read one app: what each endpoint answers them, what is recorded, what a hostile one changes.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::{Value, json};
use testkit::{FakeApp, Mainstay, Sshd, wait};

use super::{Desk, SOON, reached};
use crate::serving_fake;

/// Every endpoint of the API, and whether a key with the role `read`, and one with `deploy`, may ask it in its own site. One
/// that is not here fails the test below.
const ENDPOINTS: [(&str, &str, bool, bool); 43] = [
    ("POST", "/v1/connection", true, true),
    ("GET", "/v1/machine", true, true),
    ("POST", "/v1/machine/down", false, false),
    ("GET", "/v1/machine/checks", false, false),
    ("GET", "/v1/machine/upgrades", false, false),
    ("POST", "/v1/machine/upgrades", false, false),
    ("GET", "/v1/webhooks", false, false),
    ("POST", "/v1/webhooks/test", false, false),
    ("GET", "/v1/certificates", false, false),
    ("POST", "/v1/certificates/renew", false, false),
    ("GET", "/v1/apps", true, true),
    ("GET", "/v1/artifacts/{digest}", false, true),
    ("PUT", "/v1/artifacts/{digest}", false, true),
    ("POST", "/v1/apps/{app}/{env}/plan", false, true),
    ("POST", "/v1/apps/{app}/{env}/deploys", false, true),
    ("POST", "/v1/apps/{app}/{env}/rollback", false, true),
    ("GET", "/v1/apps/{app}/{env}/deploys/{id}/events", true, true),
    ("POST", "/v1/apps/{app}/{env}/cancel", false, true),
    ("POST", "/v1/apps/{app}/{env}/approve", false, true),
    ("POST", "/v1/apps/{app}/{env}/resume", false, false),
    ("GET", "/v1/apps/{app}/{env}/status", true, true),
    ("GET", "/v1/apps/{app}/{env}/releases", true, true),
    ("GET", "/v1/apps/{app}/{env}/events", true, true),
    ("GET", "/v1/apps/{app}/{env}/config", true, true),
    ("GET", "/v1/apps/{app}/{env}/logs", true, true),
    ("GET", "/v1/apps/{app}/{env}/checks", true, true),
    ("POST", "/v1/apps/{app}/{env}/restart", false, true),
    ("POST", "/v1/apps/{app}/{env}/scale", false, true),
    ("POST", "/v1/apps/{app}/{env}/freeze", false, false),
    ("POST", "/v1/apps/{app}/{env}/maintenance", false, true),
    ("POST", "/v1/apps/{app}/{env}/run", false, false),
    ("POST", "/v1/apps/{app}/{env}/exec", false, false),
    ("GET", "/v1/apps/{app}/{env}/migrate", true, true),
    ("POST", "/v1/apps/{app}/{env}/migrate/retry", false, false),
    ("POST", "/v1/apps/{app}/{env}/migrate/down", false, false),
    ("POST", "/v1/apps/{app}/{env}/migrate/contract", false, false),
    ("GET", "/v1/apps/{app}/{env}/secrets", true, true),
    ("POST", "/v1/apps/{app}/{env}/secrets/{name}", false, false),
    ("POST", "/v1/apps/{app}/{env}/destroy", false, false),
    // What is no endpoint, and no way around one.
    ("GET", "/v1/apps/{app}/{env}/../../other/production/status", false, false),
    ("GET", "/v1/apps/{app}/{env}%2f..%2f..%2fother%2fproduction/status", false, false),
    ("GET", "//v1/apps/other/production/status", false, false),
    ("DELETE", "/v1/apps/{app}/{env}/releases", false, false),
];
/// How many of them are real.
const REAL: usize = 39;

/// Those of the API's own table (`crates/api/src/paths.rs`), which the reference page is made of.
fn documented() -> BTreeSet<(String, String)> {
    let table = include_str!("../../../../crates/api/src/paths.rs");
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" |").next());
    let mut all = BTreeSet::new();
    for row in rows.filter(|row| row.contains("`/v1/")) {
        let (method, path) = row.split_once(" `").expect("a method and a path");
        let path = path.trim_end_matches('`').split('?').next().expect("a path");
        match path.split_once("{retry,down,contract}") {
            Some((before, _)) => all.extend(
                ["retry", "down", "contract"].map(|verb| (method.to_owned(), format!("{before}{verb}"))),
            ),
            None => _ = all.insert((method.to_owned(), path.to_owned())),
        }
    }
    all
}

/// `mainstay proxy` as the forced command of a key begins it.
fn proxy(mainstay: &Mainstay, role: &str) -> Child {
    let mut command =
        mainstay.command(&["proxy", "--role", role, "--app", "fake/production", "--key", "ci@example"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary")
}

/// Sends these bytes by a key of that role; statuses and everything that came back.
fn ask(mainstay: &Mainstay, role: &str, requests: &str) -> (Vec<u16>, String) {
    let mut child = proxy(mainstay, role);
    child.stdin.as_mut().expect("piped").write_all(requests.as_bytes()).expect("sent");
    let mut text = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut text).expect("read");
    child.wait().expect("ended");
    let text = String::from_utf8_lossy(&text).into_owned();
    let (greeting, answers) = text.split_once('\n').expect("a greeting");
    assert_eq!(greeting, "mainstay-proxy 1");
    let statuses = answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok());
    (statuses.collect(), answers.to_owned())
}

/// One request, after which the connection is closed.
fn request(method: &str, path: &str, body: &str, more: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: mainstay\r\n{more}content-length: {length}\r\n\r\n{body}")
}

const LAST: &str = "connection: close\r\n";

fn in_site(path: &str, app: &str) -> String {
    let path = path.replace("{app}", app).replace("{env}", "production").replace("{name}", "TOKEN");
    path.replace("{digest}", &format!("sha256:{}", "0".repeat(64)))
        .replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

#[test]
fn every_endpoint_answers_a_key_what_its_role_may_in_its_own_site_alone() {
    let named: BTreeSet<_> = ENDPOINTS[..REAL]
        .iter()
        .map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(named, documented(), "each endpoint has a row here");
    let (mut mainstay, app) = serving_fake();
    let other = FakeApp::new(&mainstay, "other");
    other.deploy_to(&mainstay, &[]).expect_code(0);
    for (method, path, read, deploy) in ENDPOINTS {
        for (role, may) in [("read", read), ("deploy", deploy)] {
            let shown = format!("{role}: {method} {path}");
            // What is no JSON begins nothing; what is not allowed is refused before that is seen.
            let (statuses, text) = ask(&mainstay, role, &request(method, &in_site(path, "fake"), "x", LAST));
            let status = *statuses.first().unwrap_or_else(|| panic!("{shown}: no answer: {text}"));
            let is_known = named.contains(&(method.to_owned(), path.to_owned()));
            match (may, is_known) {
                (true, _) => assert!(![403, 405].contains(&status), "{shown}: {text}"),
                (false, true) => assert!(status == 403 && text.contains("not-allowed"), "{shown}: {text}"),
                (false, false) => assert!([400, 403, 404, 405].contains(&status), "{shown}: {text}"),
            }
            if path.contains("{app}") && is_known {
                let (statuses, text) =
                    ask(&mainstay, role, &request(method, &in_site(path, "other"), "x", LAST));
                assert!(statuses == [403] && text.contains("not-allowed"), "{shown} elsewhere: {text}");
            }
        }
    }
    let (_, apps) = ask(&mainstay, "read", &request("GET", "/v1/apps", "", LAST));
    assert!(apps.contains("\"fake\"") && !apps.contains("\"other\""), "others are not even named: {apps}");
    for site in [app.site(), other.site()] {
        assert_eq!(mainstay.serving(&site), 1, "{site}");
        let records = mainstay.api(&format!("/v1/apps/{site}/events")).expect("answered");
        assert_eq!(records.as_array().map(Vec::len), Some(1), "{site}: {records}");
    }
    let log = mainstay.log_text();
    let recorded = log.lines().filter(|line| line.contains("Refused") && line.contains("key ci@example"));
    let denied = ENDPOINTS[..REAL].iter().map(|(.., read, deploy)| usize::from(!read) + usize::from(!deploy));
    assert!(recorded.count() >= denied.sum::<usize>(), "everything refused is recorded:\n{log}");
    mainstay.down();
}

#[test]
fn what_a_connection_may_is_said_once_and_holds_to_its_end() {
    let (mut mainstay, app) = serving_fake();
    let wider = json!({ "role": "deploy", "site": { "app": "other", "env": "production" }, "key": "root" });
    let widen = request("POST", "/v1/connection", &wider.to_string(), "");
    let destroy = json!({ "confirm": app.site(), "with_data": true }).to_string();
    let path = format!("/v1/apps/{}/destroy", app.site());
    let both = format!("{widen}{}", request("POST", &path, &destroy, LAST));
    let (statuses, text) = ask(&mainstay, "read", &both);
    assert_eq!(statuses, [409, 403], "{text}");
    assert!(text.contains("narrowed-before") && text.contains("ci@example"), "{text}");
    assert_eq!(mainstay.serving(&app.site()), 1);
    mainstay.down();
}

/// Adds a key to sshd's file by the command that an administrator has, and gives the desk of whoever has it.
fn desk_of(mainstay: &Mainstay, sshd: &Sshd, name: &str, role: &str) -> Desk {
    sshd.make_key(name);
    let (keys, public) = (sshd.authorized_keys(), sshd.public_key_file(name));
    let public = public.to_string_lossy();
    let words = ["user", "--authorized-keys", &keys.to_string_lossy(), "add-key", "--role", role];
    let words = [&words[..], &["--app", "fake/production", &public]].concat();
    let said = mainstay.cli(&words).expect_code(0);
    assert!(said.out.contains(&format!("The key {name} may {role} fake/production")), "{said}");
    Desk::new(mainstay, sshd, name, sshd.address())
}

#[test]
fn a_key_of_its_own_deploys_one_app_and_stands_in_every_record() {
    let (mut mainstay, app, sshd, _) = reached();
    let ci = desk_of(&mainstay, &sshd, "ci", "deploy");
    let reader = desk_of(&mainstay, &sshd, "reader", "read");
    let app = app.next();
    app.write();
    ci.run(app.folder(), &["deploy"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 2);
    let said = reader.run(app.folder(), &["events", "--json"]).expect_code(0);
    let newest: Value = said.json_lines().first().cloned().expect("a record");
    assert_eq!((&newest["operator"], &newest["verb"]), (&json!("key ci"), &json!("deploy")), "{said}");
    reader.run(app.folder(), &["status"]).expect_code(0);
    let said = reader.run(app.folder(), &["restart"]).expect_code(1);
    assert!(said.err.contains("[not-allowed]") && said.err.contains("`read`, in fake/production"), "{said}");
    let said = ci.run(app.folder(), &["run", "--", "id"]).expect_code(1);
    assert!(said.err.contains("[not-allowed]"), "{said}");
    assert!(ci.run(app.folder(), &["destroy", "--yes", "fake/production"]).code != 0);
    // Neither a shell nor a file nor a way on to somewhere else.
    let client = sshd.client("ci");
    let mut words = client.split(' ');
    let mut ssh = std::process::Command::new(words.next().expect("ssh"));
    ssh.args(words).args(["-p", &sshd.address().port().to_string()]);
    let marker = mainstay.folder().join("shell");
    ssh.arg(format!("{}@127.0.0.1", Sshd::account())).arg(format!("touch {}", marker.display()));
    let output = ssh.stdin(Stdio::null()).output().expect("ssh");
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with("mainstay-proxy 1"),
        "the forced command ran"
    );
    assert!(!marker.exists(), "what was asked for did not");
    let keys = sshd.authorized_keys();
    let user = |words: &[&str]| {
        mainstay.cli(&[&["user", "--authorized-keys", &keys.to_string_lossy()], words].concat())
    };
    let listed = user(&["list-keys"]).expect_code(0);
    assert!(
        listed.out.contains("ci") && listed.out.contains("deploy") && listed.out.contains("SHA256:"),
        "{listed}"
    );
    user(&["remove-key", "ci"]).expect_code(0);
    let said = ci.run(app.folder(), &["status"]).expect_code(1);
    assert!(said.err.contains("[ssh-denied]"), "{said}");
    reader.run(app.folder(), &["status"]).expect_code(0);
    mainstay.down();
}

#[test]
fn a_key_approves_what_another_key_began_and_never_its_own() {
    let (mut mainstay, app, sshd, _) = reached();
    let (ci, lead) = (desk_of(&mainstay, &sshd, "ci", "deploy"), desk_of(&mainstay, &sshd, "lead", "deploy"));
    let reader = desk_of(&mainstay, &sshd, "reader", "read");
    let app = app.deploy("approval", "true").next();
    app.write();
    let said = ci.run(app.folder(), &["deploy", "--leave-waiting"]).expect_code(6);
    let deploy = mainstay.status(&app.site())["deploy"]["deploy"].as_str().expect("it waits").to_owned();
    assert!(said.out.contains(&format!("mainstay approve {deploy}")), "{said}");
    let approve = |desk: &Desk| desk.run(app.folder(), &["approve", &deploy]);
    let own = approve(&ci).expect_code(1);
    assert!(own.err.contains("[own-deploy]"), "{own}");
    let read = approve(&reader).expect_code(1);
    assert!(read.err.contains("[not-allowed]"), "{read}");
    assert_eq!(mainstay.serving(&app.site()), 1);
    approve(&lead).expect_code(0);
    ci.run(app.folder(), &["attach"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 2);
    let said = reader.run(app.folder(), &["events", "--json"]).expect_code(0);
    let newest: Value = said.json_lines().first().cloned().expect("a record");
    let both = (&newest["operator"], &newest["approved"]["operator"]);
    assert_eq!(both, (&json!("key ci"), &json!("key lead")), "{said}");
    mainstay.down();
}

/// What lies below a folder: names, lengths, and the text of small files.
fn picture(folder: &Path) -> BTreeSet<(String, u64)> {
    let mut seen = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let metadata = entry.metadata().expect("read");
            if metadata.is_dir() {
                left.push(entry.path());
            } else if !entry.path().components().any(|part| part.as_os_str() == "logs") {
                seen.insert((entry.path().display().to_string(), metadata.len()));
            }
        }
    }
    seen
}

#[test]
fn a_hostile_key_changes_nothing_outside_of_its_app() {
    let (mut mainstay, app, sshd, _) = reached();
    let ci = desk_of(&mainstay, &sshd, "ci", "deploy");
    let other = FakeApp::new(&mainstay, "other");
    other.deploy_to(&mainstay, &[]).expect_code(0);
    let folder = mainstay.data().join("apps/other");
    let before = picture(&folder);
    app.write();
    let manifest = app.folder().join("mainstay.toml");
    let good = fs::read_to_string(&manifest).expect("the manifest");
    let deploy = |text: &str| {
        fs::write(&manifest, text).expect("written");
        ci.run(app.folder(), &["deploy"])
    };
    // Another's app, by its manifest and by the words of the command.
    let said = deploy(&good.replace("name = \"fake\"", "name = \"other\"")).expect_code(1);
    assert!(said.err.contains("[not-allowed]"), "{said}");
    assert!(ci.run(other.folder(), &["deploy"]).expect_code(1).err.contains("[not-allowed]"));
    assert!(
        ci.run(app.folder(), &["deploy", "--env", "staging"]).expect_code(1).err.contains("[not-allowed]")
    );
    // Another's route, shared folders out of its own, a command and a path out of the release.
    for (what, text) in [
        ("another's route", good.replace("hosts = [\"fake.test\"]", "hosts = [\"other.test\"]")),
        ("a path on another's host", {
            good.replace(
                "hosts = [\"fake.test\"]\npath_prefix = \"/\"",
                "hosts = [\"other.test\"]\npath_prefix = \"/login\"",
            )
        }),
        ("a wildcard over another's host", good.replace("hosts = [\"fake.test\"]", "hosts = [\"*.test\"]")),
        ("a shared path", good.replace("[\"state\"]", "[\"../../../other/production/shared/state\"]")),
        ("an absolute shared path", good.replace("[\"state\"]", "[\"/etc\"]")),
    ] {
        assert_ne!(text, good, "{what}");
        let said = deploy(&text);
        assert!([1, 4].contains(&said.code), "{what}: {said}");
        assert_eq!(said.err.contains("[route-taken]"), what.contains("another's"), "{what}: {said}");
    }
    // An archive that writes elsewhere.
    let archive = app.folder().join("app.tar");
    let text = good.replace("dir = \".\"", "artifact = \"app.tar\"");
    for (what, name) in
        [("above", "../../../../other/production/shared/mine"), ("absolute", "/tmp/mainstay-of-ci")]
    {
        tarball(&archive, name);
        let said = deploy(&text);
        assert!([1, 4].contains(&said.code) && said.err.contains("[artifact-hostile]"), "{what}: {said}");
    }
    assert!(!Path::new("/tmp/mainstay-of-ci").exists());
    assert_eq!(picture(&folder), before, "nothing of the other app was touched");
    assert_eq!((mainstay.serving(&app.site()), mainstay.serving(&other.site())), (1, 1));
    assert_eq!(mainstay.get(other.host_name(), "/up").expect("answered").status, 200);
    wait::until("nothing is under way", SOON, || mainstay.status(&app.site())["deploy"].is_null());
    mainstay.down();
}

/// An archive of one file of that name, which the library would not write.
fn tarball(path: &Path, name: &str) {
    let mut header = tar::Header::new_gnu();
    let field = &mut header.as_gnu_mut().expect("GNU").name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(fs::File::create(path).expect("written"));
    tar.append(&header, &b"x"[..]).expect("written");
    tar.finish().expect("written");
}
