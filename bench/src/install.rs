//! The peers: Debian 13's nginx, HAProxy and Caddy in a folder, PM2 from npm. Made once, kept under `target/tools`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The load tools and what makes the folder; as Debian calls them.
const TOOLS: [(&str, &str); 5] = [
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("debootstrap", "debootstrap"),
    ("openssl", "openssl"),
    ("taskset", "util-linux"),
];
const MIRROR: &str = "http://deb.debian.org/debian";

/// A root folder of Debian 13 with the three proxies.
///
/// # Panics
/// When it is not there and cannot be made (which needs root).
pub(crate) fn debian_13() -> PathBuf {
    tools();
    let root = testkit::binaries::target().join("tools/trixie");
    if !root.join("usr/sbin/nginx").exists() || !root.join("usr/bin/caddy").exists() {
        std::fs::create_dir_all(&root).expect("target can be written");
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", "--include=nginx-light,haproxy,caddy", "trixie"]);
        run(debootstrap.arg(&root).arg(MIRROR).stdout(Stdio::null()));
    }
    root
}

/// The program `pm2`.
///
/// # Panics
/// When npm cannot install it.
pub(crate) fn pm2() -> PathBuf {
    testkit::registry::node("pm2", &["pm2"]).join("node_modules/.bin/pm2")
}

fn tools() {
    let missing: Vec<_> =
        TOOLS.iter().filter(|(tool, _)| !is_there(tool)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return;
    }
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "install", "-y", "--no-install-recommends"]);
    run(apt.args(missing));
}

fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).exists())
        || Path::new("/usr/sbin").join(tool).exists()
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?} ended with {status}");
}
