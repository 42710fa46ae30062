//! Journey 6: what people, networks and disks do wrong. Nothing is lost, the old release serves, the words help.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use testkit::{FakeApp, Load, Mainstay, http, mainstay::Said, wait};

use crate::{SLOW_MIGRATION, disk::Disk, judge, serving_fake};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn every_mistake_of_a_manifest_is_told_at_once_with_its_line_and_the_nearest_key() {
    let (mainstay, app) = serving_fake();
    app.write();
    let path = app.folder().join("mainstay.toml");
    let good = fs::read_to_string(&path).expect("the manifest");
    let bad = good
        .replace("instances = 2", "instnaces = 2")
        .replace("listen = \"tcp\"", "listen = \"udp\"")
        .replace("stop_timeout = \"5s\"", "stop_timeout = 5")
        .replace("min_healthy_time = \"1s\"", "min_healthy_time = \"1 fortnight\"");
    fs::write(&path, bad).expect("written");
    let said = mainstay.cli_in(app.folder(), &["deploy"]).expect_code(1);
    for word in ["instnaces", "instances", "udp", "unix", "stop_timeout", "fortnight", "mainstay.toml:"] {
        assert!(said.err.contains(word), "the message does not say {word:?}\n{said}");
    }
    assert_eq!(mainstay.serving(&app.site()), 1);
}

#[test]
fn text_that_is_no_toml_is_told_with_its_place() {
    let (mainstay, app) = serving_fake();
    for bad in ["[app\nname = 1", "\u{0}\u{1}", "manifest = 1\nmanifest = 1\n", ""] {
        fs::write(app.folder().join("mainstay.toml"), bad).expect("written");
        let said = mainstay.cli_in(app.folder(), &["deploy"]).expect_code(1);
        assert!(said.err.contains("error"), "{said}");
    }
    assert_eq!(mainstay.serving(&app.site()), 1);
}

/// Deploys an artifact file that `make` writes; how it ended.
fn deploy_artifact(mainstay: &Mainstay, app: &FakeApp, make: impl FnOnce(&Path)) -> Said {
    app.write();
    let path = app.folder().join("mainstay.toml");
    let text =
        fs::read_to_string(&path).expect("the manifest").replace("dir = \".\"", "artifact = \"app.tar\"");
    fs::write(&path, text).expect("written");
    make(&app.folder().join("app.tar"));
    mainstay.cli_in(app.folder(), &["deploy"])
}

#[test]
fn a_missing_artifact_is_refused_before_anything_runs() {
    let (mainstay, app) = serving_fake();
    let said = deploy_artifact(&mainstay, &app, |_| {}).expect_code(1);
    assert!(said.err.contains("app.tar"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 1);
}

#[test]
fn truncated_and_hostile_artifacts_are_refused_and_leave_nothing() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    let releases = mainstay.data().join("apps").join(app.site()).join("releases");
    let before = names(&releases);
    let outside = mainstay.folder().join("outside");
    type Make = fn(&Path);
    let hostile: [(&str, &str, Make); 8] = [
        ("truncated", "artifact-unreadable", |path| tarball(path, |tar| file(tar, "a", &[b'x'; 4000]), 1200)),
        ("no archive at all", "artifact-unreadable", |path| fs::write(path, [b'z'; 5000]).expect("written")),
        ("../outside", "artifact-hostile", |path| tarball(path, |tar| file(tar, "../outside", b"x"), 0)),
        ("an absolute path", "artifact-hostile", |path| {
            tarball(path, |tar| file(tar, "/tmp/mainstay-outside", b"x"), 0)
        }),
        ("a link out of the tree", "artifact-hostile", |path| {
            tarball(path, |tar| link(tar, "out", "../../../../../etc"), 0)
        }),
        ("a write through a link", "artifact-hostile", |path| {
            tarball(
                path,
                |tar| {
                    special(tar, "inside", tar::EntryType::Directory, 0o755);
                    link(tar, "out", "inside");
                    file(tar, "out/mainstay-outside", b"x")
                },
                0,
            );
        }),
        ("a device node", "artifact-hostile", |path| {
            tarball(path, |tar| special(tar, "null", tar::EntryType::Char, 0o666), 0)
        }),
        ("a setuid program", "artifact-hostile", |path| {
            tarball(path, |tar| special(tar, "su", tar::EntryType::Regular, 0o4755), 0)
        }),
    ];
    for (what, code, make) in hostile {
        let said = deploy_artifact(&mainstay, &app, make);
        assert!([1, 4].contains(&said.code), "{what} ended with {}\n{said}", said.code);
        assert!(said.err.contains(&format!("[{code}]")), "{what} is no {code}: {said}");
        assert_eq!(mainstay.serving(&app.site()), 1, "{what}");
        assert_eq!(names(&releases), before, "{what} left something");
    }
    assert!(!outside.exists() && !Path::new("/tmp/mainstay-outside").exists(), "nothing was written outside");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn bytes_that_are_not_what_their_digest_says_are_refused() {
    let (mainstay, app) = serving_fake();
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001";
    let path = format!("/v1/artifacts/{digest}?offset=0&total=14");
    let api = mainstay.run_folder().join("api.sock");
    let answer = http::ask_unix(&api, "PUT", &path, b"something else").expect("an answer");
    assert_eq!(answer.json()["code"], "artifact-changed", "{}: {}", answer.status, answer.text());
    let manifest = fs::read_to_string(app.folder().join("mainstay.toml")).expect("the manifest");
    let request = serde_json::json!({ "what": { "new": { "manifest": manifest, "artifact": { "digest": digest, "bytes": 14 } } } });
    let path = format!("/v1/apps/{}/deploys", app.site());
    let answer = http::ask_unix(&api, "POST", &path, request.to_string().as_bytes()).expect("an answer");
    assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text());
    assert_eq!(answer.json()["code"], "artifact-missing", "nothing of it was kept: {}", answer.text());
    assert_eq!(mainstay.serving(&app.site()), 1);
}

#[test]
fn a_listener_that_is_taken_ends_up_with_words() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Command::new(testkit::binaries::path("mainstay"));
    up.args(["up", "--listen", &address]).arg("--data").arg(folder.path()).env_remove("XDG_RUNTIME_DIR");
    let output = up.output().expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && words.contains(&address), "{words}");
}

/// A machine whose data folder is a disk of this size, to be dropped after it; `None`: only root can mount one.
fn on_a_small_disk(size: &str) -> Option<(Mainstay, Disk)> {
    if !rustix::process::getuid().is_root() {
        println!("only root can mount a small disk; not shown in this run");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("ms-").tempdir().expect("a folder");
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("own folder");
    let data = folder.path().join("data");
    let disk = Disk::mount(&data, &format!("size={size},mode=755"));
    Some((Mainstay::start_in(folder, data, ""), disk))
}

#[test]
fn a_disk_that_fills_after_preflight_loses_nothing() {
    let Some((mainstay, disk)) = on_a_small_disk("96m") else { return };
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = judge(&mainstay, &app, Load { writers: 0, ..Load::requests() });
    let filling = app.clone().next().tables(FILL);
    let said = filling.deploy_to(&mainstay, &[]);
    assert!([4, 5].contains(&said.code), "aborted or held, not done\n{said}");
    assert_eq!(mainstay.serving(&app.site()), 1, "{said}");
    judge.wait_answers(100);
    judge.finish(None).assert_nothing_failed();
    fs::remove_file(mainstay.shared(&app.site()).join("state/fill")).expect("the disk has room again");
    let _ = mainstay.cli(&["resume", "--app", "fake"]);
    let said = app.clone().next().next().deploy_to(&mainstay, &[]).expect_code(0);
    assert_ne!(mainstay.serving(&app.site()), 1, "{said}");
    drop(mainstay);
    drop(disk);
}

/// What serves is the edge's own word, also where the disk takes it from nobody. [RUN-06]
#[test]
fn an_edge_that_dies_on_a_full_disk_is_followed_by_one_that_status_tells_the_truth_of() {
    let Some((mainstay, disk)) = on_a_small_disk("60m") else { return };
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let fill = mainstay.data().join("fill");
    let mut zero = fs::File::open("/dev/zero").expect("zeros");
    std::io::copy(&mut zero, &mut fs::File::create(&fill).expect("a file")).expect_err("no room is left");

    mainstay.kill_edge();
    wait::until("the next edge serves", SOON, || {
        mainstay.get(app.host_name(), "/version").is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(mainstay.serving(&app.site()), 1, "the disk says what is served already");
    // Its successor listens elsewhere: a table that the disk does not say.
    let (name, pid) = mainstay.instances(&app.site()).pop_first().expect("one serves");
    testkit::mainstay::processes::kill(pid);
    wait::until(&format!("the table moves on after {name}"), SOON, || {
        mainstay.status(&app.site())["unwritten"].is_object()
    });
    mainstay.kill_edge();
    wait::until("the next edge tells what it cannot write", SOON, || {
        mainstay.status(&app.site())["unwritten"].is_object()
    });
    let said = mainstay.cli(&["status", "--app", "fake"]).expect_code(0);
    assert!(said.out.contains("serves release 1") && !said.out.contains("rollback"), "{said}");
    for words in ["[served-not-written]", "served.json cannot be written", "No space left", "make room"] {
        assert!(said.err.contains(words), "it does not say {words:?}\n{said}");
    }
    assert_eq!(mainstay.api("/v1/apps").expect("it answers")[0]["serving"], 1);
    let found = mainstay.cli_in(app.folder(), &["check", "--live"]);
    assert!(found.all().contains("[served-not-written]"), "{found}");
    assert!(!found.all().contains("mainstay deploy"), "nobody is advised to deploy: {found}");

    fs::remove_file(fill).expect("the disk has room again");
    wait::until("it is written down", SOON, || mainstay.status(&app.site())["unwritten"].is_null());
    assert_eq!(mainstay.serving(&app.site()), 1);
    drop(mainstay);
    drop(disk);
}

/// What is broken on the disk is told, and a restore of it is enough. [DR-06]
#[test]
fn a_state_that_does_not_read_is_told_everywhere_and_taken_up_once_it_does() {
    let (mut mainstay, app) = serving_fake();
    let file = mainstay.data().join("apps").join(app.site()).join("state.json");
    let good = fs::read(&file).expect("the state");
    let instances = mainstay.instances(&app.site());
    fs::write(&file, &good[..good.len() / 2]).expect("written");
    mainstay.kill_keeper();
    let all: [(&[&str], i32); 4] = [
        (&["status", "--app", "fake"], 1),
        (&["apps"], 0),
        (&["status", "--machine"], 0),
        (&["check", "--live"], 1),
    ];
    for (command, code) in all {
        let said = mainstay.cli_in(app.folder(), command).expect_code(code);
        for words in ["[state-unreadable]", "state.json", "from a backup"] {
            assert!(said.all().contains(words), "{command:?} does not say {words:?}\n{said}");
        }
    }
    let listed = mainstay.cli(&["apps"]).expect_code(0).out;
    assert!(listed.contains("fake/production") && listed.contains("unreadable"), "{listed}");
    assert_eq!(mainstay.get(app.host_name(), "/version").expect("it serves on").status, 200);

    // A restore may take the file away first.
    fs::remove_file(&file).expect("there");
    mainstay.cli(&["status", "--app", "fake"]).expect_code(1);
    fs::write(&file, &good).expect("written");
    mainstay.cli(&["status", "--app", "fake"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 1);
    assert_eq!(mainstay.instances(&app.site()), instances, "what ran is taken up");
    app.clone().next().deploy_to(&mainstay, &[]).expect_code(0);

    fs::write(&file, "{").expect("written");
    mainstay.kill_keeper();
    mainstay.down();
}

const FILL: &str = r#"
[migrate]
command = ["/bin/sh", "-c", "cat /dev/zero > $STATE/fill; echo 1 > $STATE/schema"]
status_command = ["/bin/sh", "-c", "cat $STATE/schema 2>/dev/null | grep . || echo 0"]
schema = 1
schema_min = 0
compatible_with = 0
env = { STATE = "{shared_dir}/state" }
"#;

#[test]
fn of_two_deploys_at_once_one_is_told_who_holds_the_lock() {
    let (mainstay, app) = serving_fake();
    let slow = app.clone().next().env("FAKE_READY_AFTER_MS", "8000");
    let mut first = slow.start_deploy(&mainstay, &["--json"]);
    first.wait_for_phase("gate");
    let second = mainstay.cli_in(app.folder(), &["deploy"]).expect_code(75);
    assert!(second.err.contains("gate"), "it says who and in which phase\n{second}");
    first.wait().expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 2);
}

#[test]
fn a_deploy_is_cancelled_in_each_phase_aborted_before_the_bake_and_returned_from_in_it() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::requests());
    let mut next = app.clone().env("FAKE_BOOT_DELAY_MS", "1500").env("FAKE_READY_AFTER_MS", "3000");
    next = next.deploy("bake_time", "\"5s\"");
    // A file that takes a while to unpack.
    fs::write(app.folder().join("large"), vec![7_u8; 192 << 20]).expect("written");
    for (phase, code) in [("stage", 4), ("migrate", 4), ("start", 4), ("gate", 4), ("bake", 3)] {
        next = next.next();
        if phase == "migrate" {
            let _ = fs::remove_file(app.folder().join("large"));
            next = next.tables(SLOW_MIGRATION);
        }
        judge.expect_any();
        let mut deploy = next.start_deploy(&mainstay, &["--json"]);
        deploy.wait_for_phase(phase);
        if phase == "migrate" {
            let began = mainstay.shared(&app.site()).join("state/migrating");
            wait::until("the migration runs", SOON, || began.exists());
        }
        // A migration is not interrupted: half of one is worse than a late end.
        mainstay.cli_in(app.folder(), &["cancel"]).expect_code(0);
        let said = deploy.wait();
        assert_eq!(said.code, code, "cancelled in {phase}\n{said}");
        assert_eq!(mainstay.serving(&app.site()), 1, "cancelled in {phase}");
        judge.expect_release(1);
        judge.wait_answers(50);
        let _ = mainstay.cli_in(app.folder(), &["resume"]);
    }
    let said = mainstay.cli_in(app.folder(), &["cancel"]);
    assert_eq!(said.code, 1, "nothing is under way\n{said}");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

/// A deploy beyond `max_generations` waits in preflight; there, too, it can be cancelled.
#[test]
fn a_deploy_that_waits_for_room_can_be_cancelled() {
    let (mainstay, app) = serving_fake();
    let streams = Load { streams: 1, events: 400, short: 1, slow: 0, writers: 0, ..Load::requests() };
    let judge = judge(&mainstay, &app, streams);
    judge.expect_any();
    let next = app.clone().next().deploy("max_generations", "2");
    next.deploy_to(&mainstay, &[]).expect_code(0);
    let mut third = next.next().start_deploy(&mainstay, &["--json"]);
    third.wait_for_phase("preflight");
    mainstay.cli_in(app.folder(), &["cancel"]).expect_code(0);
    third.wait().expect_code(4);
    assert_eq!(mainstay.serving(&app.site()), 2);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn a_client_that_dies_does_not_end_its_deploy() {
    let (mainstay, app) = serving_fake();
    let slow = app.clone().next().env("FAKE_READY_AFTER_MS", "2000");
    let mut deploy = slow.start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("start");
    deploy.kill();
    wait::until("the deploy goes on without its client", SOON, || mainstay.serving(&app.site()) == 2);
}

#[test]
fn without_a_keeper_every_command_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["status", "deploy", "apps", "down"] {
        let mut mainstay = Command::new(testkit::binaries::path("mainstay"));
        mainstay
            .arg(command)
            .arg("--data")
            .arg(folder.path())
            .args(["--app", "fake"])
            .current_dir(folder.path());
        let output = mainstay.env_remove("XDG_RUNTIME_DIR").output().expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {words}");
        assert!(words.contains("error"), "{command}: {words}");
    }
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

/// Writes a tar file, without its last `cut` bytes (of the data, so that the cut is seen).
fn tarball(path: &Path, fill: impl FnOnce(&mut tar::Builder<Vec<u8>>), cut: usize) {
    let mut tar = tar::Builder::new(Vec::new());
    fill(&mut tar);
    let mut bytes = if cut == 0 { tar.into_inner().expect("memory") } else { tar.get_ref().clone() };
    bytes.truncate(bytes.len() - cut);
    fs::write(path, bytes).expect("written");
}

fn file(tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    // `set_path` refuses what this test is about.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, bytes).expect("memory");
}

fn link(tar: &mut tar::Builder<Vec<u8>>, name: &str, to: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_path(name).expect("a path");
    header.set_link_name(to).expect("a target");
    header.set_mode(0o777);
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, &[][..]).expect("memory");
}

fn special(tar: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(name).expect("a path");
    header.set_mode(mode);
    header.set_device_major(1).expect("a number");
    header.set_device_minor(3).expect("a number");
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, &[][..]).expect("memory");
}
