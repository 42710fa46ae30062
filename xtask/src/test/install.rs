//! What the tests need from the distribution. What comes from PyPI, npm and Go's proxy is installed by the journeys that use it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::shell::{self, Doing, Error, Result};

/// A command that shows whether it is there, and the package that brings it.
type Need = (&'static [&'static str], &'static str);

pub(crate) const TESTS: [Need; 20] = [
    (&["/usr/bin/python3", "-c", "import ensurepip, venv"], "python3-venv"),
    (&["node", "--version"], "nodejs"),
    (&["npm", "--version"], "npm"),
    (&["go", "version"], "golang-go"),
    (&["chromium", "--version"], "chromium"),
    (&["setpriv", "--version"], "util-linux"),
    (&["cc", "--version"], "gcc"),
    (&["strace", "--version"], "strace"),
    (&["sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres"], "postgresql"),
    (&["openssl", "version"], "openssl"),
    (&["sh", "-c", "command -v pebble && command -v pebble-challtestsrv"], "pebble"),
    (&["sh", "-c", "command -v testssl"], "testssl.sh"),
    (&["ssh", "-V"], "openssh-client"),
    (&["sh", "-c", "test -x /usr/sbin/sshd"], "openssh-server"),
    (&["sh", "-c", "test -x /usr/sbin/nft"], "nftables"),
    (&["sh", "-c", "test -x /usr/sbin/iptables-save"], "iptables"),
    (&["sh", "-c", "test -x /usr/sbin/ufw"], "ufw"),
    (&["sh", "-c", "test -x /usr/sbin/dnsmasq"], "dnsmasq-base"),
    (&["sh", "-c", "test -x /usr/sbin/nginx"], "nginx-light"),
    (&["curl", "--version"], "curl"),
];
/// Of the pictures of the pages.
pub(crate) const PICTURES: [Need; 5] = [
    (&["node", "--version"], "nodejs"),
    (&["npm", "--version"], "npm"),
    (&["chromium", "--version"], "chromium"),
    // Of the fonts that pages ask for, those that Debian has: the same pictures on every machine.
    (&["sh", "-c", "fc-list : family | grep -qx Inter"], "fonts-inter"),
    (&["sh", "-c", "fc-list : family | grep -qx Caladea"], "fonts-crosextra-caladea"),
];
/// Of the journeys in guests.
pub(crate) const GUESTS: [Need; 7] = [
    (&["linux.uml", "--version"], "user-mode-linux"),
    (&["debootstrap", "--version"], "debootstrap"),
    (&["mkfs.ext4", "-V"], "e2fsprogs"),
    (&["setpriv", "--version"], "util-linux"),
    (&["strip", "--version"], "binutils"),
    (&["/usr/bin/python3", "-c", "import ensurepip, venv"], "python3-venv"),
    (&["npm", "--version"], "npm"),
];
/// Where the guests take a kernel of a newer distribution.
pub(crate) const NEWER_KERNEL: [Need; 2] =
    [(&["patchelf", "--version"], "patchelf"), (&["dpkg-deb", "--version"], "dpkg")];
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing; without root, says the command that would.
pub(crate) fn needed(needs: &[Need]) -> Result<()> {
    let missing: Vec<_> =
        needs.iter().filter(|(probe, _)| !works(probe)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::getuid().is_root() {
        return Err(Error(format!(
            "the tests need more packages: sudo apt-get install {}",
            missing.join(" ")
        )));
    }
    let kept = keep_services_stopped()?;
    let installed = install(&missing);
    if let Some(kept) = kept {
        std::fs::remove_file(kept).doing("removing policy-rc.d")?;
    }
    installed
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "DPkg::Lock::Timeout=600"]);
        apt
    };
    shell::run(apt().arg("update"))?;
    shell::run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

/// Debian starts a service when it installs one, unless this file says no. `Some`: it was made here.
fn keep_services_stopped() -> Result<Option<&'static Path>> {
    let path = Path::new(POLICY);
    if path.exists() {
        return Ok(None);
    }
    std::fs::write(path, "#!/bin/sh\nexit 101\n").doing("writing policy-rc.d")?;
    shell::run(Command::new("chmod").args(["755", POLICY]))?;
    Ok(Some(path))
}

fn works(probe: &[&str]) -> bool {
    let [program, arguments @ ..] = probe else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
