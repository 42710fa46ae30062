//! Mainstay as a service: what `mainstay install` makes, and what systemd does to it.

use std::{fs, path::PathBuf, time::Duration};

use minisign::KeyPair;

use crate::{
    guest::Guest,
    service::{self, App},
};

/// The cgroups of the two units, below systemd's.
const KEEPERS: &str = "/sys/fs/cgroup/system.slice/mainstay-keeper.service";
const WORKLOAD: &str = "/sys/fs/cgroup/system.slice/mainstay.service";

#[test]
fn an_installed_machine_serves_the_assistant_and_a_second_install_changes_nothing() {
    let guest = Guest::boot();
    let would = guest.ok("/share/bin/mainstay install --dry-run");
    assert!(would.contains("would make the group mainstay"), "{would}");
    assert_ne!(
        guest.run("getent group mainstay || test -e /etc/mainstay").status,
        0,
        "a dry run makes nothing"
    );
    service::install(&guest);
    let again = guest.ok("mainstay install");
    assert_eq!(again, "Everything is in its place; nothing was changed.");
    assert_eq!(guest.ok("stat -c '%U %a' /etc/mainstay /var/lib/mainstay"), "root 755\nroot 711");
    for account in ["mainstay-edge", "mainstay-station"] {
        let id = guest.ok(&format!("id {account}"));
        assert!(id.contains(account) && !id.contains("(mainstay)"), "no operator: {id}");
    }

    guest.put("assistant/mainstay.toml", include_str!("../../../examples/assistant/mainstay.toml"));
    guest.put(
        "assistant/secrets.env",
        "ASSISTANT_SECRET_KEY=eiv4Ohw9ahgh2Ohj7ooPaeGh1aech3Sheiv4Ohw9\nASSISTANT_FIRST_USER=ana\n\
         ASSISTANT_FIRST_PASSWORD=iekoo7Ohghae\n",
    );
    guest.ok("set -e; site=/var/lib/mainstay/apps/assistant/production; mkdir -p $site /srv/assistant
         install -m 600 /share/assistant/secrets.env $site/secrets.env
         cp /share/assistant/mainstay.toml /share/bin/assistant /srv/assistant");
    let said = guest.start("cd /srv/assistant && mainstay deploy").end(service::DEPLOYS_WITHIN);
    assert_eq!(said.status, 0, "{said}");
    let page = guest.ok("curl -sS --fail http://127.0.0.1/login");
    assert!(page.contains("<html"), "{page}");
    who_comes_by_a_key_may_what_it_says_and_nothing_by_itself(&guest);
    nothing_is_lost_and_each_unit_holds_its_own(&guest);
    an_uninstall_keeps_the_data_and_a_purge_leaves_nothing(&guest);
}

/// What the next installation finds again, and what is gone for good.
fn an_uninstall_keeps_the_data_and_a_purge_leaves_nothing(guest: &Guest) {
    for file in
        ["share/man/man1/mainstay-deploy.1", "share/bash-completion/completions/mainstay", "bin/mainstay"]
    {
        guest.ok(&format!("test -s /usr/local/{file}"));
    }
    assert!(guest.ok("cat /etc/mainstay/machine.toml").contains("#shutdown_timeout"));
    let would = guest.ok("mainstay uninstall --dry-run");
    assert!(
        would.contains("would stop mainstay.service") && would.contains("stays: /var/lib/mainstay:"),
        "{would}"
    );
    guest.ok("curl -sS --fail http://127.0.0.1/login >/dev/null");
    let said = guest.start("mainstay uninstall").end(service::DEPLOYS_WITHIN);
    assert!(said.status == 0 && said.text.contains("is no service of this machine any more"), "{said}");
    guest.ok("set -e; ! pidof mainstay assistant; ! systemctl cat mainstay mainstay-keeper 2>/dev/null
         test ! -e /usr/local/bin/mainstay -a ! -e /usr/local/share/man/man1/mainstay.1
         test ! -e /etc/systemd/system/multi-user.target.wants/mainstay.service
         test -d /var/lib/mainstay/apps/assistant -a -e /etc/mainstay/machine.toml; getent group mainstay; id mainstay-edge");
    let again = guest.ok("/share/bin/mainstay uninstall");
    assert!(again.contains("Nothing of it is installed; nothing was changed."), "{again}");

    // What was kept serves again.
    service::install(guest);
    assert!(guest.ok("curl -sS --fail http://127.0.0.1/login").contains("<html"));
    for (words, code) in [("--purge", "not-confirmed"), ("--purge --yes elsewhere", "not-confirmed")] {
        let said = guest.run(&format!("mainstay uninstall {words} 2>&1"));
        assert!(
            said.status == 1 && said.text.contains(code) && said.text.contains("nothing was changed"),
            "{said}"
        );
    }
    guest.ok("curl -sS --fail http://127.0.0.1/login >/dev/null");
    let said = guest.start("mainstay uninstall --purge --yes guest").end(service::DEPLOYS_WITHIN);
    assert_eq!(said.status, 0, "{said}");
    assert_eq!(guest.run("pidof mainstay assistant").status, 1);
    nothing_is_left(guest);
}

/// No data, no account and no group of Mainstay's is on the machine.
pub(crate) fn nothing_is_left(guest: &Guest) {
    let left = guest.ok(
        "ls -d /var/lib/mainstay* /etc/mainstay /run/mainstay /usr/bin/mainstay /usr/local/bin/mainstay* 2>/dev/null
         find /etc/systemd /usr/lib/systemd /usr/share /usr/local/share -name '*mainstay*'
         grep mainstay /etc/passwd /etc/group; true",
    );
    assert_eq!(left, "", "is still there");
}

/// The account that keys lead to, as sshd would run it: its shell is the program, which takes a forced command alone.
fn who_comes_by_a_key_may_what_it_says_and_nothing_by_itself(guest: &Guest) {
    assert_eq!(
        guest.ok("getent passwd mainstay_login | cut -d: -f6,7"),
        "/var/lib/mainstay-login:/usr/local/bin/mainstay"
    );
    assert_eq!(guest.ok("stat -c '%U %a' /var/lib/mainstay-login/.ssh"), "root 755");
    let login = "setpriv --reuid mainstay_login --regid mainstay --clear-groups";
    let asked = |role: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\\r\\nhost: m\\r\\nconnection: close\\r\\n\\r\\n");
        let forced = format!("mainstay proxy --role {role} --app assistant/production --key ci");
        // The pipe stays open until the answer is there: a client that closes has gone.
        guest.ok(&format!(
            "rm -f /tmp/ask; mkfifo /tmp/ask; exec 3<>/tmp/ask; printf '{request}' >&3
             {login} mainstay -c '{forced}' </tmp/ask | sed -n 2p"
        ))
    };
    assert!(asked("read", "/v1/apps/assistant/production/status").contains(" 200 "));
    assert!(asked("deploy", "/v1/apps/other/production/status").contains(" 403 "));
    for command in ["mainstay proxy", "mainstay status", "id"] {
        let said = guest.run(&format!("{login} mainstay -c '{command}' 2>&1"));
        assert!(said.status != 0 && said.text.contains("no-shell-here"), "{command}: {said}");
    }
    let bare = "curl -sS --unix-socket /run/mainstay/api.sock http://m/v1/apps";
    assert!(guest.ok(&format!("{login} {bare}")).contains("no-role"), "by itself it may nothing");
    const PUBLIC_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAC6KaBHgTDpZSvkIy/u6Y3HqpOBLP0WGqclNj3hS6OL ci";
    guest.ok(&format!(
        "echo '{PUBLIC_KEY}' | mainstay user add-key --role deploy --app assistant/production -"
    ));
    let keys = guest.ok("cat /var/lib/mainstay-login/.ssh/authorized_keys");
    assert!(
        keys.starts_with(
            "restrict,command=\"mainstay proxy --role deploy --app assistant/production --key ci\" "
        ),
        "{keys}"
    );
    assert_eq!(guest.ok("stat -c '%U %a' /var/lib/mainstay-login/.ssh/authorized_keys"), "root 644");
}

/// Limits are enforced, and a stop of either unit ends what it should.
fn nothing_is_lost_and_each_unit_holds_its_own(guest: &Guest) {
    let machine = guest.ok("mainstay status --machine --json");
    let machine: serde_json::Value = serde_json::from_str(&machine).expect("JSON");
    // The kernel of a guest may have no landlock, which is told; all else is held.
    let lost = machine["machine"]["lost"].as_array().cloned().unwrap_or_default();
    assert!(lost.iter().all(|line| line.as_str().is_some_and(|line| line.contains("landlock"))), "{lost:?}");
    assert_eq!(machine["machine"]["has_parent"], true);
    let in_keepers = guest.ok(&format!("find {KEEPERS} -name cgroup.procs -exec cat {{}} + | wc -l"));
    assert_eq!(in_keepers.trim(), "1", "the keeper alone is in its unit");
    // Two web instances, a worker and the edge, each with its shim.
    let in_workload = guest.ok(&format!("find {WORKLOAD} -name cgroup.procs -exec cat {{}} + | wc -l"));
    assert_eq!(in_workload.trim(), "8");
}

#[test]
fn the_keepers_unit_is_restarted_killed_hung_and_upgraded_under_load_and_nothing_fails() {
    let guest = Guest::boot();
    let pair = KeyPair::generate_unencrypted_keypair().expect("a pair");
    guest.put("machine.toml", format!("upgrade_keys = [\"{}\"]\n", pair.pk.to_base64()));
    guest.ok("mkdir -p /etc/mainstay && cp /share/machine.toml /etc/mainstay/");
    service::install(&guest);
    App::default().deploy(&guest, "one");
    let before = instances(&guest);
    // So that the watchdog is seen within the time of a test.
    guest.put("watchdog.conf", "[Service]\nWatchdogSec=4s\n");
    guest.ok("set -e; mkdir -p /etc/systemd/system/mainstay-keeper.service.d
         cp /share/watchdog.conf /etc/systemd/system/mainstay-keeper.service.d/; systemctl daemon-reload");
    let judge = service::judge(&guest, 1);
    guest.ok("systemctl restart mainstay-keeper");
    for (signal, word) in [("KILL", "status=9/KILL"), ("STOP", "status=6/ABRT")] {
        let keeper = guest.ok("systemctl show -P MainPID mainstay-keeper");
        guest.ok(&format!("kill -{signal} {keeper}"));
        guest.until(
            &format!("systemd starts another keeper after SIG{signal}"),
            Duration::from_secs(60),
            &format!(
                "p=$(systemctl show -P MainPID mainstay-keeper); test $p != 0 -a $p != {keeper} &&
                 test $(systemctl show -P SubState mainstay-keeper) = running && mainstay --app fake status >/dev/null"
            ),
        );
        let told = guest.ok(&format!("journalctl -u mainstay-keeper | grep -c '{word}'"));
        assert_ne!(told.trim(), "0");
    }
    upgrade(&guest, &pair);
    service::enough(&guest, judge);
    assert_eq!(instances(&guest), before, "no instance was started anew");
}

/// Another program, signed, in the place of the one that runs: the keeper and the edge become it.
fn upgrade(guest: &Guest, pair: &KeyPair) {
    assert_eq!(guest.ok("systemctl show -P SuccessExitStatus mainstay-keeper"), "64 65");
    let folder = PathBuf::from(std::env::var_os("MAINSTAY_TEST_GUEST_BINARIES").expect("as of every guest"));
    let mut next = fs::read(folder.join("mainstay")).expect("the binary of guests");
    next.push(b'\n');
    let signature = minisign::sign(None, &pair.sk, next.as_slice(), Some("a test's build"), None);
    guest.put("next/mainstay.minisig", signature.expect("signed").into_string());
    guest.put("next/mainstay", next);
    let edge = edge(guest);
    let said = guest.start("mainstay upgrade /share/next/mainstay").end(service::DEPLOYS_WITHIN);
    assert_eq!(said.status, 0, "{said}");
    assert!(said.text.contains("Signed: a test's build") && said.text.contains("Its edge serves"), "{said}");
    guest.ok("cmp /share/next/mainstay /usr/local/bin/mainstay");
    guest.ok("cmp /share/next/mainstay /proc/$(systemctl show -P MainPID mainstay-keeper)/exe");
    guest.ok(&format!("cmp /share/next/mainstay /proc/{}/exe", self::edge(guest)));
    guest.until(
        "the edge of before has drained and ended",
        Duration::from_secs(60),
        &format!("! kill -0 {edge} 2>/dev/null"),
    );
}

/// The pid of the edge that serves.
pub(crate) fn edge(guest: &Guest) -> u64 {
    let told = guest.ok("mainstay status --machine --json");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    told["machine"]["edge"]["pid"].as_u64().expect("the pid of the edge")
}

/// The pids of the fake app's instances.
pub(crate) fn instances(guest: &Guest) -> String {
    guest.ok("pidof fakeapp")
}

#[test]
fn a_restart_of_the_service_lets_clients_wait_and_a_stop_leaves_nothing() {
    let guest = Guest::boot();
    service::install(&guest);
    App::default().deploy(&guest, "one");
    let before = instances(&guest);
    let judge = service::judge(&guest, 1);
    guest.ok("systemctl restart mainstay");
    service::enough(&guest, judge);
    assert_ne!(instances(&guest), before, "everything was stopped and started");

    guest.ok("systemctl stop mainstay");
    // systemctl waits for the unit that it was given; the keeper's last word comes a moment later.
    guest.until(
        "nothing is left",
        Duration::from_secs(10),
        &format!("! pidof mainstay fakeapp && test ! -e {KEEPERS} -a ! -e {WORKLOAD}"),
    );
    assert_eq!(guest.run("curl -sS http://127.0.0.1/up").status, 7, "nobody listens");
    guest.ok("systemctl start mainstay");
    // `start` returns when the app is ready: nothing is waited for here.
    assert!(service::answer(&guest).contains("release=1 "));

    // What a person has stopped is started by the word that they are told.
    let told = guest.ok("mainstay down");
    assert!(told.contains("`systemctl restart mainstay` starts it again"), "{told}");
    guest.ok("systemctl restart mainstay");
    assert!(service::answer(&guest).contains("release=1 "));
}
