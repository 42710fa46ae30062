//! Each thing that is wrong with a machine is found by its check, and what cannot be seen has not passed.

use std::{fs, path::Path};

use api::{checks::State, machine::Listener};

use super::{Facts, Host, host, unseen};
use crate::live::tests::machine;

/// A machine as a folder: what its files say is all that there is.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| put(root.path(), path, text);
    put(
        "proc/meminfo",
        "MemTotal: 4096000 kB\nMemAvailable: 2048000 kB\nSwapTotal: 1024000 kB\nSwapFree: 1024000 kB\n",
    );
    put("proc/sys/fs/file-nr", "1000\t0\t900000\n");
    put(
        "proc/9/limits",
        "Limit Soft Hard Units\nMax open files            1048576              1048576              files\n",
    );
    put("proc/self/net/tcp", HEAD);
    put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    put("etc/shadow", "root:*:1::\n");
    put(
        "etc/apt/apt.conf.d/20auto-upgrades",
        "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n",
    );
    put("etc/apt/root.conf", &format!("Dir \"{}\";\n", root.path().display()));
    put("usr/bin/unattended-upgrade", "");
    put("etc/systemd/system/timers.target.wants/apt-daily-upgrade.timer", "");
    put("var/lib/apt/periodic/unattended-upgrades-stamp", "");
    root
}

const HEAD: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A row of `/proc/net/tcp`: listening at every address of IPv4.
fn listening(port: u16, inode: u32) -> String {
    format!(
        "   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )
}

/// The same of `/proc/net/udp`.
fn taking(port: u16) -> String {
    listening(port, 7).replace(" 0A ", " 07 ")
}

/// Ids of what is found and of what did not run, of the checks whose facts a folder has.
fn looked(root: &Path) -> (Vec<String>, Vec<String>) {
    let facts = Facts::read(root, Some(9));
    let listener =
        Listener { kind: "https".to_owned(), address: "0.0.0.0:443".to_owned(), url: String::new() };
    let machine = api::machine::Machine { listeners: vec![listener], ..machine() };
    let (mut found, mut not_run) = (Vec::new(), Vec::new());
    // The kernel's own rules and clock are not a folder's, and neither are the disks that it lies on.
    let others = ["firewall", "clock", "system-disks", "system-inodes"];
    for finding in host(&Host { facts: &facts, machine: &machine }) {
        match finding.state {
            _ if others.contains(&finding.id.as_str()) => {}
            State::Found { .. } => found.push(finding.id),
            State::NotRun { why } => {
                assert!(why.starts_with("not known: "), "{}: {why}", finding.id);
                not_run.push(finding.id);
            }
            State::Passed { .. } | State::Attested { .. } => {}
        }
    }
    (found, not_run)
}

/// A folder has no sshd.
const NO_SSH: [&str; 2] = ["ssh-keys-only", "ssh-root"];

#[test]
fn a_machine_that_is_well_has_nothing_to_be_told() {
    assert_eq!(looked(root().path()), (Vec::new(), NO_SSH.map(str::to_owned).to_vec()));
}

#[test]
fn each_thing_that_is_wrong_is_found_by_its_check() {
    let after = |path: &str, text: &str| {
        let root = root();
        put(root.path(), path, text);
        looked(root.path()).0
    };
    let meminfo = |available: u32, swap: u32| {
        format!(
            "MemTotal: 4096000 kB\nMemAvailable: {available} kB\nSwapTotal: {swap} kB\nSwapFree: {swap} kB\n"
        )
    };
    assert_eq!(after("proc/meminfo", &meminfo(100_000, 4096)), ["memory"]);
    assert_eq!(after("proc/meminfo", &meminfo(2_048_000, 0)), ["swap"]);
    assert_eq!(after("proc/sys/fs/file-nr", "890000\t0\t900000\n"), ["open-files"]);
    assert_eq!(
        after("proc/9/limits", "Max open files            1024                 4096                 files\n"),
        ["open-files"]
    );
    assert_eq!(after("proc/self/net/tcp", &format!("{HEAD}{}", listening(8080, 7))), ["listening-sockets"]);
    assert_eq!(
        after("proc/self/net/tcp", &format!("{HEAD}{}", listening(5432, 7))),
        ["listening-sockets", "open-databases"]
    );
    // What is served, and where ssh is, may be reached.
    assert_eq!(
        after("proc/self/net/tcp", &format!("{HEAD}{}{}", listening(443, 7), listening(22, 8))),
        [""; 0]
    );
    for (port, found) in
        [(53, vec!["listening-sockets"]), (443, vec!["listening-sockets"]), (68, vec![]), (40_000, vec![])]
    {
        assert_eq!(after("proc/self/net/udp", &format!("{HEAD}{}", taking(port))), found, "UDP {port}");
    }
    assert_eq!(after("etc/shadow", "root:$y$j9T$x:1::\n"), ["root-locked"]);
    assert_eq!(
        after("etc/apt/apt.conf.d/99", "APT::Periodic::Unattended-Upgrade \"0\";\n"),
        ["automatic-updates"]
    );
    assert_eq!(after("run/reboot-required", "*** System restart required ***\n"), ["system-updated"]);
    let stale = root();
    let stamp = fs::File::options()
        .write(true)
        .open(stale.path().join("var/lib/apt/periodic/unattended-upgrades-stamp"))
        .unwrap();
    stamp.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(9 * 24 * 3600)).unwrap();
    assert_eq!(looked(stale.path()).0, ["system-updated"]);
}

#[test]
fn what_cannot_be_seen_is_not_known_and_never_passed() {
    let nothing = tempfile::tempdir().unwrap();
    let (found, not_run) = looked(nothing.path());
    assert_eq!(found, Vec::<String>::new());
    let all = [
        "ssh-keys-only",
        "ssh-root",
        "listening-sockets",
        "open-databases",
        "root-locked",
        "automatic-updates",
        "system-updated",
        "memory",
        "swap",
        "open-files",
    ];
    assert_eq!(not_run, all);
    assert!(
        unseen("why").iter().all(|finding| matches!(&finding.state, State::NotRun { why } if why == "why"))
    );
}

#[test]
fn a_real_sshd_says_what_its_configuration_makes_it_do() {
    if machine::users::own_uid() == 0 {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let found = |text: &str| {
        let root = root();
        let key = root.path().join("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("openssh-client is installed").success());
        put(root.path(), "etc/ssh/sshd_config", &format!("HostKey {}\nUsePAM no\n{text}", key.display()));
        let (found, not_run) = looked(root.path());
        assert_eq!(not_run, Vec::<String>::new(), "{text}");
        found
    };
    let keys = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n";
    assert_eq!(found(&format!("{keys}PermitRootLogin no\n")), [""; 0]);
    assert_eq!(found(&format!("{keys}PermitRootLogin prohibit-password\n")), ["ssh-root"]);
    assert_eq!(
        found("PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin no\n"),
        ["ssh-keys-only"]
    );
    // What holds for strangers is in a block of its own.
    let for_some =
        format!("{keys}PermitRootLogin no\nMatch Address 192.0.2.0/24\n  PasswordAuthentication yes\n");
    assert_eq!(found(&for_some), ["ssh-keys-only"]);
}

#[test]
fn this_machine_is_looked_at_and_each_check_says_something() {
    let facts = Facts::read(Path::new("/"), Some(std::process::id()));
    let findings = host(&Host { facts: &facts, machine: &machine() });
    let ran = findings.iter().filter(|finding| !matches!(finding.state, State::NotRun { .. })).count();
    assert!(ran >= 5, "sockets, clock, memory, open files and disks need no root: {findings:#?}");
}
