//! Who listens on a port that an app wanted, as a person knows it.

use std::{fs, os::unix::fs::MetadataExt as _};

use machine::sockets::holders;

/// `None`: nobody does now, or whoever does cannot be seen.
pub(crate) fn told(port: u16) -> Option<String> {
    let pids = holders(port);
    // Mainstay's own listeners are held by several of its processes.
    if pids.iter().any(|pid| is_ours(*pid)) {
        return Some("Mainstay's own edge".to_owned());
    }
    let pid = pids.first()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let instance = instance(*pid).map(|name| format!(", of the instance {name}")).unwrap_or_default();
    Some(format!("{} (pid {pid}{instance})", name.trim()))
}

/// A shim of ours holds what its app inherits, which is the app's.
fn is_ours(pid: i32) -> bool {
    let file = |path: &str| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_shim = words.split(|byte| *byte == 0).nth(1).is_some_and(|verb| verb == b"shim");
    let own = file("/proc/self/exe");
    !is_shim && own.is_some() && file(&format!("/proc/{pid}/exe")) == own
}

/// What its environment says, where this process may read it.
fn instance(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let said = environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(b"MAINSTAY_INSTANCE="));
    Some(String::from_utf8_lossy(said?).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, process::Command};

    use super::*;

    #[test]
    fn a_port_of_this_executable_is_the_edges_and_of_another_program_has_its_name() {
        let own = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = own.local_addr().expect("an address").port();
        assert_eq!(told(port).as_deref(), Some("Mainstay's own edge"));
        // A child of another program that holds it alone.
        let mut sleep = Command::new("sleep");
        let held = std::os::fd::OwnedFd::from(own);
        let mut child =
            sleep.arg("100").env("MAINSTAY_INSTANCE", "web.1.1").stdin(held).spawn().expect("started");
        drop(sleep);
        // A child of another test has it too until it has become its program.
        let mut tries = std::iter::repeat_with(|| told(port)).take(1000);
        let said = tries.find(|said| said.as_deref() != Some("Mainstay's own edge"));
        let pid = child.id();
        child.kill().expect("killed");
        child.wait().expect("collected");
        assert_eq!(said.flatten(), Some(format!("sleep (pid {pid}, of the instance web.1.1)")));
        assert_eq!(told(port), None);
    }
}
