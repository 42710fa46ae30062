//! Mainstay over ssh, and by a package of Debian's: dpkg installs, upgrades, removes and purges it.

use std::{fs, path::PathBuf, time::Duration};

use crate::{
    guest::{Guest, Said},
    service::{self, App},
    units::{edge, instances, nothing_is_left},
};

const FIRST: &str = "mainstay_1.0_amd64.deb";
const SECOND: &str = "mainstay_1.1_amd64.deb";

/// Bound: of a package of the binary, or of the binary over ssh, on one processor with everything unoptimised.
const WITHIN: Duration = Duration::from_secs(240);

fn dpkg(guest: &Guest, words: &str) -> Said {
    let said = guest.start(&format!("dpkg {words} 2>&1")).end(WITHIN);
    assert_eq!(said.status, 0, "dpkg {words} {said}");
    said
}

#[test]
fn a_package_is_installed_upgraded_under_load_removed_and_purged() {
    let guest = Guest::boot();
    let folder = PathBuf::from(std::env::var_os("MAINSTAY_TEST_PACKAGES").expect("as of every guest"));
    for name in [FIRST, SECOND] {
        guest.put(name, fs::read(folder.join(name)).expect("made by cargo xtask vm"));
    }
    nothing_is_put_beside_an_installation(&guest);
    let said = dpkg(&guest, &format!("-i /share/{FIRST}"));
    assert!(said.text.contains("let keys of mainstay_login lead to /usr/bin/mainstay"), "{said}");
    assert_eq!(guest.ok("mainstay install"), "Everything is in its place; nothing was changed.");
    assert!(guest.ok("systemctl is-enabled mainstay").contains("enabled"));
    App::default().deploy(&guest, "one");
    let refused = guest.run("mainstay uninstall --purge --yes guest 2>&1");
    assert!(refused.status == 1 && refused.text.contains("apt-get purge mainstay"), "{refused}");
    let refused = guest.run("/share/bin/mainstay install 2>&1");
    assert!(refused.status == 1 && refused.text.contains("install-of-a-package"), "{refused}");

    upgrades_under_load(&guest);

    dpkg(&guest, "-r mainstay");
    guest.ok(
        "set -e; ! pidof mainstay fakeapp; test ! -e /usr/bin/mainstay; test -d /var/lib/mainstay/apps/fake",
    );
    // What was kept serves again.
    dpkg(&guest, &format!("-i /share/{SECOND}"));
    service::serves_by_itself(&guest, 1);
    dpkg(&guest, "-P mainstay");
    assert_eq!(guest.run("pidof mainstay fakeapp").status, 1);
    nothing_is_left(&guest);
}

/// Over a real sshd, by the sudo of who logs in; and two installations would each believe that the machine is theirs.
fn nothing_is_put_beside_an_installation(guest: &Guest) {
    guest.ok(
        "set -e; echo 127.0.1.1 guest >>/etc/hosts; useradd --create-home --shell /bin/bash ana; echo 'ana ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ana
         mkdir -p -m 700 /run/sshd ~root/.ssh /home/ana/.ssh; ssh-keygen -q -t ed25519 -N '' -f ~root/.ssh/id_ed25519
         cp ~root/.ssh/id_ed25519.pub /home/ana/.ssh/authorized_keys; chown -R ana /home/ana/.ssh; chmod 755 /run/sshd
         /usr/sbin/sshd; ssh-keyscan -t ed25519 127.0.0.1 >~root/.ssh/known_hosts",
    );
    let over = "/share/bin/mainstay --host ana@127.0.0.1";
    let said = guest.start(&format!("{over} install 2>&1")).end(WITHIN);
    assert!(said.status == 0 && said.text.contains("put ana into the group mainstay"), "{said}");
    assert!(said.text.contains("It answers: `mainstay --host ana@127.0.0.1 deploy`"), "{said}");
    assert!(
        guest.ok(&format!("{over} install")).contains("Everything is in its place; nothing was changed.")
    );
    assert_eq!(guest.ok("find /tmp -name mainstay"), "", "what was sent is removed");
    let refused = guest.run(&format!("dpkg -i /share/{FIRST} 2>&1"));
    assert!(refused.status != 0 && refused.text.contains("mainstay uninstall"), "{refused}");
    guest.ok("mainstay uninstall && pkill -x sshd");
}

/// Keeper and edge become the next build; no request, no stream and no instance notices.
fn upgrades_under_load(guest: &Guest) {
    let before = instances(guest);
    let judge = service::judge(guest, 1);
    dpkg(guest, &format!("-i /share/{SECOND}"));
    guest.until(
        "keeper and edge are of the new build",
        Duration::from_secs(60),
        "cmp /usr/bin/mainstay /proc/$(systemctl show -P MainPID mainstay-keeper)/exe &&
         mainstay --app fake status >/dev/null",
    );
    guest.ok(&format!("cmp /usr/bin/mainstay /proc/{}/exe", edge(guest)));
    service::enough(guest, judge);
    assert_eq!(instances(guest), before, "no instance was started anew");
    assert_eq!(guest.ok("dpkg-query -W -f '${Version}' mainstay"), "1.1");
}
