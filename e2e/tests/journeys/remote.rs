//! From another machine: `--host` over a real sshd on loopback. What it says where it leads nowhere; a connection that is lost.

mod ci;
mod guide;
mod installs;
mod keys;
mod skew;
mod upload;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use testkit::{
    FakeApp, Mainstay, Sshd, binaries,
    mainstay::{Running, Said},
    wait,
};

use crate::serving_fake;

const SOON: Duration = Duration::from_secs(60);

/// Somebody's desk: their hosts.toml, their key.
struct Desk {
    /// `$XDG_CONFIG_HOME`
    config: PathBuf,
    ssh: String,
}

impl Desk {
    /// Of the key `name`, where `live` is `mainstay` behind the sshd at `address`.
    fn new(mainstay: &Mainstay, sshd: &Sshd, name: &str, address: SocketAddr) -> Self {
        let desk = Self { config: mainstay.folder().join(format!("desk-{name}")), ssh: sshd.client(name) };
        desk.know(address, &binaries::path("mainstay"), mainstay.data());
        desk
    }

    /// Writes hosts.toml.
    fn know(&self, address: SocketAddr, program: &Path, data: &Path) {
        let folder = self.config.join("mainstay");
        fs::create_dir_all(&folder).expect("own folder");
        let ssh = format!("{}@{address}", Sshd::account());
        let (program, data) = (program.display(), data.display());
        let text = format!("[host.live]\nssh = \"{ssh}\"\nprogram = \"{program}\"\ndata = \"{data}\"\n");
        fs::write(folder.join("hosts.toml"), text).expect("own folder");
    }

    fn start(&self, folder: &Path, words: &[&str]) -> Running {
        Running::start(self.command(folder, words), format!("mainstay --host live {}", words.join(" ")))
    }

    fn command(&self, folder: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(binaries::path("mainstay"));
        command.args(["--host", "live"]).args(words).current_dir(folder);
        command.env("XDG_CONFIG_HOME", &self.config).env("MAINSTAY_SSH", &self.ssh);
        command.env_remove("MAINSTAY_DATA").env_remove("XDG_RUNTIME_DIR");
        command
    }

    fn run(&self, folder: &Path, words: &[&str]) -> Said {
        self.start(folder, words).wait()
    }
}

/// A machine with the fake app serving, an sshd on it, and ana's desk.
fn reached() -> (Mainstay, FakeApp, Sshd, Desk) {
    let (mainstay, app) = serving_fake();
    let sshd = Sshd::start();
    let desk = Desk::new(&mainstay, &sshd, "ana", sshd.address());
    (mainstay, app, sshd, desk)
}

#[test]
fn every_command_reaches_a_machine_that_is_elsewhere() {
    let (mut mainstay, app, sshd, desk) = reached();
    let app = app.next();
    app.write();
    let here = app.folder();
    let said = desk.run(here, &["deploy"]).expect_code(0);
    assert!(said.out.contains("Packed 3 files") && said.out.contains("Release 2 serves"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 2);
    let connections = || sshd.log().matches("Accepted publickey").count();
    let before = connections();
    assert!(desk.run(here, &["deploy", "--dry-run"]).expect_code(0).out.contains("nothing would change"));
    assert_eq!(connections() - before, 1, "one connection for all that a command asks");
    assert!(desk.run(here, &["status"]).expect_code(0).out.contains("web.2.1"));
    assert!(desk.run(here, &["releases"]).expect_code(0).out.contains('2'));
    assert!(desk.run(here, &["apps"]).expect_code(0).out.contains("fake"));
    assert!(desk.run(here, &["config", "show", "--serving"]).expect_code(0).out.contains("fakeapp"));
    desk.run(here, &["logs", "-n", "5"]).expect_code(0);
    desk.run(here, &["restart"]).expect_code(0);
    desk.run(here, &["scale", "web=1"]).expect_code(0);
    let told = desk.run(here, &["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).expect_code(7);
    assert_eq!((told.out.trim(), told.err.trim()), ("out", "err"), "{told}");
    desk.run(here, &["rollback"]).expect_code(0);
    assert_eq!(mainstay.serving(&app.site()), 1);
    let by = desk.run(here, &["events"]).expect_code(0);
    assert!(by.out.contains(&format!("{}@", Sshd::account())), "the account there is who did it: {by}");
    let said = desk.run(here, &["up"]).expect_code(1);
    assert!(said.err.contains("only-here") && said.err.contains("of this machine alone"), "{said}");
    mainstay.down();
}

#[test]
fn what_keeps_ssh_from_leading_there_is_told_with_its_remedy() {
    let (mut mainstay, app, mut sshd, desk) = reached();
    let here = app.folder().to_owned();
    let refused = |desk: &Desk, code: &str| {
        let said = desk.run(&here, &["status"]).expect_code(1);
        assert!(said.err.contains(&format!("[{code}]")) && said.err.contains("help:"), "{code}:\n{said}");
        let told = desk.run(&here, &["status", "--json"]).expect_code(1);
        let told: serde_json::Value = serde_json::from_str(told.err.trim()).expect("one line of JSON");
        assert_eq!(told["error"]["code"], code, "{told}");
    };
    desk.run(&here, &["status"]).expect_code(0);
    sshd.make_key("stranger");
    refused(&Desk::new(&mainstay, &sshd, "stranger", sshd.address()), "ssh-denied");
    desk.know(sshd.address(), Path::new("/nowhere/mainstay"), mainstay.data());
    refused(&desk, "not-installed-there");
    // An earlier one knows no `proxy`.
    let old = mainstay.folder().join("old");
    fs::write(&old, "#!/bin/sh\necho \"error: unrecognized subcommand 'proxy'\" >&2; exit 1\n")
        .expect("own folder");
    fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
    desk.know(sshd.address(), &old, mainstay.data());
    refused(&desk, "too-old-there");
    desk.know(sshd.address(), &binaries::path("mainstay"), &mainstay.folder().join("no-data"));
    refused(&desk, "no-keeper");
    desk.know(sshd.address(), &binaries::path("mainstay"), mainstay.data());
    sshd.forget_host_key();
    refused(&desk, "host-key-unknown");
    sshd.trust_host_key();
    sshd.stop();
    refused(&desk, "host-refused");
    sshd.new_host_key();
    sshd.up();
    refused(&desk, "host-key-changed");
    sshd.trust_host_key();
    desk.run(&here, &["status"]).expect_code(0);
    mainstay.down();
}

#[test]
fn a_login_that_talks_does_not_disturb_what_is_asked() {
    let (mut mainstay, app, sshd, desk) = reached();
    let loud = mainstay.folder().join("loud");
    let program = binaries::path("mainstay");
    let text = format!("#!/bin/sh\necho Welcome; echo Beware >&2; exec {} \"$@\"\n", program.display());
    fs::write(&loud, text).expect("own folder");
    fs::set_permissions(&loud, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
    desk.know(sshd.address(), &loud, mainstay.data());
    let said = desk.run(app.folder(), &["releases", "--json"]).expect_code(0);
    assert!(!said.all().contains("Welcome"), "{said}");
    mainstay.down();
}

#[test]
fn a_connection_that_is_lost_ends_no_deploy_and_its_end_is_told_all_the_same() {
    let (mut mainstay, app, sshd, desk) = reached();
    let app = app.next().deploy("bake_time", "\"8s\"");
    app.write();
    let mut deploy = desk.start(app.folder(), &["deploy", "--json"]);
    deploy.wait_for_phase("bake");
    assert!(sshd.cut() > 0, "there was a session");
    let said = deploy.wait().expect_code(0);
    assert!(said.out.contains("connection to live is lost"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 2);
    mainstay.down();
}

#[test]
fn a_client_that_is_killed_ends_no_deploy_and_attach_shows_it_again() {
    let (mut mainstay, app, _sshd, desk) = reached();
    let app = app.next().deploy("bake_time", "\"5s\"");
    app.write();
    let mut deploy = desk.start(app.folder(), &["deploy", "--json"]);
    deploy.wait_for_phase("bake");
    deploy.kill();
    let said = desk.run(app.folder(), &["attach"]).expect_code(0);
    assert!(said.out.contains("Watching fake/production: release 2"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 2);
    mainstay.down();
}

#[test]
fn ctrl_c_cancels_over_the_connection_that_it_does_not_end() {
    let (mut mainstay, app, _sshd, desk) = reached();
    let app = app.next().deploy("min_healthy_time", "\"20s\"").deploy("health_timeout", "\"60s\"");
    app.write();
    // A group of its own, as a shell gives it: Ctrl-C is for ssh, too.
    let mut command = desk.command(app.folder(), &["deploy", "--json"]);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut deploy = Running::start(command, "mainstay --host live deploy".to_owned());
    deploy.wait_for_phase("gate");
    let group = i32::try_from(deploy.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).expect("own group");
    let said = deploy.wait().expect_code(4);
    assert!(!said.out.contains("is lost"), "ssh heard it, too: {said}");
    assert_eq!(mainstay.serving(&app.site()), 1);
    wait::until("nothing is under way", SOON, || mainstay.status(&app.site())["deploy"].is_null());
    mainstay.down();
}
