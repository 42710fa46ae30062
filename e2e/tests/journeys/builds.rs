//! `[release.build]`: what is interpreted is built where it runs, what compiles to one file where it is deployed from.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf, process::Command, time::Duration};

use rustix::process::Signal;
use testkit::{Load, Mainstay, mainstay::processes, wait};

use crate::{judge, serving_fake, strangers::Stranger};

const SOON: Duration = Duration::from_secs(30);

/// The files of a release.
fn files(mainstay: &Mainstay, site: &str, release: u64) -> PathBuf {
    mainstay.data().join("apps").join(site).join("releases").join(release.to_string()).join("files")
}

#[test]
fn a_node_app_gets_its_packages_on_the_server_and_they_are_sealed_with_it() {
    let mainstay = Mainstay::start();
    let app = "
const app = require('express')();
app.get('/', (req, res) => res.send('hello from LABEL'));
app.listen(Number(process.env.PORT), process.env.HOST);
";
    let package = r#"{ "name": "shop", "version": "1.0.0", "dependencies": { "express": "4.21.2" } }"#;
    let stranger = Stranger::new(&mainstay, "npm").file("server.js", &app.replace("LABEL", "one"));
    let stranger = stranger.file("package.json", package);
    let lock =
        Command::new("npm").args(["install", "--package-lock-only"]).current_dir(&stranger.folder).output();
    assert!(lock.expect("npm is there").status.success(), "the lock file was made");
    let stranger = stranger
        .manifest(r#"["node", "server.js"]"#, "listen = \"tcp\"", "/")
        .tables("[release.build]\ncommand = [\"npm\", \"ci\", \"--omit=dev\"]\n");
    assert!(!stranger.folder.join("node_modules").exists(), "nothing of it travels");
    let said = stranger.deploy(&mainstay, &[]).expect_code(0);
    assert!(said.all().contains("building: npm ci --omit=dev"), "{said}");
    stranger.answers(&mainstay, "/", "hello from one");

    let module = files(&mainstay, "npm/production", 1).join("node_modules/express/package.json");
    let found = fs::metadata(&module).expect("built in its place");
    assert_eq!((found.uid(), found.mode() & 0o222), (0, 0), "sealed");
    let logs = mainstay.cli_in(&stranger.folder, &["logs", "build"]).expect_code(0);
    assert!(logs.out.contains("added "), "what npm said: {logs}");

    let stranger = stranger.file("server.js", &app.replace("LABEL", "two"));
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "hello from two");
    let kept = mainstay.data().join("apps/npm/production/build-cache/.npm/_cacache");
    assert!(kept.is_dir(), "the next build need not fetch it again");
}

#[test]
fn a_python_app_gets_its_virtual_environment_where_it_runs() {
    let mainstay = Mainstay::start();
    let app = "
def app(environ, start):
    import markupsafe
    start('200 OK', [('content-type', 'text/plain')])
    return [b'escaped by ' + markupsafe.__file__.encode()]
";
    let build = "/usr/bin/python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt";
    let stranger = Stranger::new(&mainstay, "venv").file("main.py", app);
    let stranger = stranger.file("requirements.txt", "gunicorn==23.0.0\nmarkupsafe==3.0.2\n");
    let command = r#"["{release_dir}/.venv/bin/gunicorn", "main:app", "-b", "127.0.0.1:{port}"]"#;
    let stranger = stranger
        .manifest(command, "listen = \"tcp\"", "/")
        .tables(&format!("[release.build]\ncommand = [\"sh\", \"-c\", \"{build}\"]\n"));
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "releases/1/files/.venv/lib");
}

#[test]
fn a_build_that_fails_or_takes_too_long_is_told_and_the_old_release_serves() {
    let (mainstay, app) = serving_fake();
    let judge = judge(&mainstay, &app, Load::mixed());
    let fails = "[release.build]\ncommand = [\"sh\", \"-c\", \"echo no such package >&2; exit 3\"]\n";
    let said = app.clone().next().tables(fails).deploy_to(&mainstay, &[]).expect_code(4);
    for word in ["build-failed", "exit 3", "no such package", "release 1"] {
        assert!(said.all().contains(word), "{word}\n{said}");
    }
    let slow = "[release.build]\ncommand = [\"sleep\", \"600\"]\ntimeout = \"1s\"\n";
    let said = app.clone().next().tables(slow).deploy_to(&mainstay, &[]).expect_code(4);
    assert!(said.all().contains("did not end within its time"), "{said}");
    // What serves works with the shared folder: a build has no business there, nor in the release before.
    for place in ["{shared_dir}/state", "{release_dir}/../../1/files"] {
        let writes = format!("[release.build]\ncommand = [\"touch\", \"{place}/mark\"]\n");
        app.clone().next().tables(&writes).deploy_to(&mainstay, &[]).expect_code(4);
    }
    assert_eq!(mainstay.serving(&app.site()), 1);
    for release in 2..=5 {
        let left = files(&mainstay, &app.site(), release);
        assert!(!left.exists(), "{} is left", left.display());
    }
    judge.wait_answers(100);
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    assert!(report.failures.is_empty(), "{report}");
}

#[test]
fn a_build_ends_with_the_keeper_that_began_it_and_with_a_cancel() {
    let (mut mainstay, app) = serving_fake();
    let build = "[release.build]\ncommand = [\"sleep\", \"4242\"]\n";
    let is_at_work = || {
        let listed = Command::new("ps").args(["-eo", "args"]).output().expect("ps is there");
        String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == "sleep 4242")
    };
    let deploy = app.clone().next().tables(build).start_deploy(&mainstay, &["--json"]);
    wait::until("the build is at work", SOON, is_at_work);
    processes::signal(mainstay.keeper_pid(), Signal::KILL);
    deploy.wait().expect_code(4);
    wait::until("the build has ended with its deploy", SOON, || !is_at_work());

    let deploy = app.clone().next().tables(build).start_deploy(&mainstay, &["--json"]);
    wait::until("the build is at work again", SOON, is_at_work);
    mainstay.cli_in(app.folder(), &["cancel"]).expect_code(0);
    deploy.wait().expect_code(4);
    assert!(!is_at_work(), "a cancelled build is stopped");
    assert_eq!(mainstay.serving(&app.site()), 1);
    mainstay.down();
}

#[test]
fn what_compiles_is_built_by_whoever_deploys_it() {
    let mainstay = Mainstay::start();
    let build = "mkdir -p dist && sed s/LABEL/compiled/ server.txt >dist/server.js && echo compiling";
    let app =
        "require('http').createServer((q, r) => r.end('LABEL')).listen(process.env.PORT, process.env.HOST)\n";
    let stranger = Stranger::new(&mainstay, "client").file("server.txt", app);
    let stranger = stranger.manifest(r#"["node", "server.js"]"#, "listen = \"tcp\"", "/");
    let text = fs::read_to_string(stranger.folder.join("mainstay.toml")).expect("written");
    let stranger = stranger
        .file("mainstay.toml", &text.replace("dir = \".\"", "dir = \"dist\""))
        .tables(&format!("[release.build]\nwhere = \"client\"\ncommand = [\"sh\", \"-c\", \"{build}\"]\n"));
    let said = stranger.deploy(&mainstay, &["--json"]).expect_code(0);
    assert!(!said.out.contains("compiling") && said.all().contains("compiling"), "{said}");
    stranger.answers(&mainstay, "/", "compiled");

    let text = fs::read_to_string(stranger.folder.join("mainstay.toml")).expect("written");
    let stranger = stranger.file("mainstay.toml", &text.replace("mkdir -p dist", "exit 7"));
    let said = stranger.deploy(&mainstay, &[]).expect_code(1);
    assert!(said.all().contains("build-failed") && said.all().contains("exit status: 7"), "{said}");
    stranger.answers(&mainstay, "/", "compiled");
}

#[test]
fn a_build_without_a_network_reaches_itself_alone_and_its_cache_goes_with_the_last_build() {
    let (mainstay, app) = serving_fake();
    let cache = mainstay.data().join("apps").join(app.site()).join("build-cache");
    let build = |network: &str| {
        let reach = "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' ' | sort >interfaces; touch $HOME/kept";
        format!("[release.build]\ncommand = [\"sh\", \"-c\", \"{reach}\"]\n{network}")
    };
    let interfaces = |release| fs::read_to_string(files(&mainstay, &app.site(), release).join("interfaces"));
    app.clone().next().tables(&build("network = \"none\"\n")).deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(interfaces(2).expect("built"), "lo\n");
    assert!(cache.join("kept").exists(), "the next build has what this one kept");
    let shown = mainstay.cli_in(app.folder(), &["config", "show", "--serving"]).expect_code(0);
    assert!(shown.out.contains("network = \"none\""), "{shown}");
    app.clone().next().next().tables(&build("")).deploy_to(&mainstay, &[]).expect_code(0);
    let machines = fs::read_to_string("/proc/net/dev").expect("a network");
    let machines = machines.lines().skip(2).count();
    assert_eq!(
        interfaces(3).expect("built").lines().count(),
        machines,
        "unless it says so, it has the machine's"
    );
    app.clone().next().next().next().deploy_to(&mainstay, &[]).expect_code(0);
    assert!(!cache.exists(), "a release that builds nothing needs no cache of builds");
}
