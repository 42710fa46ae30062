//! A source of secrets that fails: what serves goes on serving, and what was stopped by a reboot comes back with it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use testkit::{FakeApp, Load, Mainstay, mainstay::processes::is_alive, wait};

use crate::judge;

/// From the moment that the secrets are there again; longer than the back-off of what failed a few times.
const BACK_LIMIT: Duration = Duration::from_secs(40);

/// A program that prints the secrets, in a folder that every account may enter.
struct Vault {
    folder: tempfile::TempDir,
}

impl Vault {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
        let vault = Self { folder };
        vault.says("echo TOKEN=vaulted");
        vault
    }

    /// From now on it does this.
    fn says(&self, script: &str) {
        let fresh = self.folder.path().join("fresh");
        fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).expect("own file");
        fs::rename(&fresh, self.path()).expect("replaced");
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("vault")
    }

    fn machine_toml(&self) -> String {
        format!("[app.fake.production]\nsecrets = {{ command = [{:?}] }}\n", self.path())
    }
}

fn serving(machine_toml: &str, prepare: impl Fn(&Path)) -> (Mainstay, FakeApp) {
    let mainstay = Mainstay::start_with(machine_toml);
    let app = FakeApp::new(&mainstay, "fake").service("env_secrets = [\"TOKEN\"]");
    prepare(&mainstay.data().join("apps/fake/production"));
    app.deploy_to(&mainstay, &[]).expect_code(0);
    (mainstay, app)
}

#[test]
fn a_keeper_that_dies_while_no_secret_resolves_fails_nothing() {
    let (mainstay, app) = serving("", |site| {
        fs::create_dir_all(site).expect("the site's folder");
        fs::write(site.join("secrets.env"), "TOKEN=in-a-file\n").expect("written");
        fs::set_permissions(site.join("secrets.env"), fs::Permissions::from_mode(0o600)).expect("closed");
    });
    let judge = judge(&mainstay, &app, Load::mixed());
    let instances = mainstay.instances(&app.site());
    fs::remove_file(mainstay.data().join("apps/fake/production/secrets.env")).expect("lost");
    mainstay.kill_keeper();
    judge.wait_answers(100);
    assert_eq!(mainstay.instances(&app.site()), instances, "the next keeper adopts what it finds");
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn a_vault_that_hangs_holds_up_no_keeper() {
    let vault = Vault::open();
    let (mainstay, app) = serving(&vault.machine_toml(), |_| {});
    let instances = mainstay.instances(&app.site());
    vault.says("sleep 1000");
    // Bound: within the time of one hanging command for each of the two instances, the next one answers.
    mainstay.kill_keeper();
    assert_eq!(mainstay.instances(&app.site()), instances);
    mainstay.get(app.host_name(), "/version").expect("it serves");
}

#[test]
fn a_vault_that_opens_late_after_a_reboot_brings_the_site_back() {
    let vault = Vault::open();
    let (mut mainstay, app) = serving(&vault.machine_toml(), |_| {});
    vault.says("echo it is shut >&2; exit 1");
    mainstay.lose_power();
    mainstay.up();
    wait::until("the status says what an instance waits for", BACK_LIMIT, || {
        mainstay.status(&app.site()).to_string().contains("the command that gives the secrets")
    });
    assert!(mainstay.instances(&app.site()).is_empty());
    vault.says("echo TOKEN=vaulted");
    wait::until("the site serves again", BACK_LIMIT, || {
        mainstay.get(app.host_name(), "/version").is_ok_and(|answer| answer.status == 200)
    });
    wait::until("with every instance", BACK_LIMIT, || mainstay.instances(&app.site()).len() == 2);
    assert_eq!(mainstay.serving(&app.site()), 1);
}

/// `yes` prints gigabytes in the time that a command may take; and none may gain privileges.
#[test]
fn a_vault_that_floods_is_cut_and_one_that_leaves_a_child_leaves_none() {
    let vault = Vault::open();
    let mainstay = Mainstay::start_with(&vault.machine_toml());
    let app = FakeApp::new(&mainstay, "fake").service("env_secrets = [\"TOKEN\"]");
    vault.says("yes TOKEN=flood");
    let said = app.deploy_to(&mainstay, &[]);
    assert!(said.code != 0 && said.all().contains("it printed more than 256 KiB"), "{said}");
    let pids = vault.folder.path().join("pids");
    fs::create_dir(&pids).expect("made");
    fs::set_permissions(&pids, fs::Permissions::from_mode(0o1777)).expect("open to all");
    // Away from its process group, and with the output still open.
    let child = format!("setsid sleep 1000 & touch {}/$!", pids.display());
    vault.says(&format!("grep -q 'NoNewPrivs:.1' /proc/self/status || exit 1; {child}; echo TOKEN=vaulted"));
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let left: Vec<u32> = fs::read_dir(&pids)
        .expect("listed")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    assert!(!left.is_empty(), "the command ran");
    wait::until("its children are gone with it", BACK_LIMIT, || !left.iter().any(|pid| is_alive(*pid)));
}
