//! Who listens on a port that an app wanted, as a person knows it.

use std::fs;

use machine::sockets::holders;

/// `None`: nobody does now, or whoever does cannot be seen.
pub(crate) fn told(port: u16) -> Option<String> {
    let pids = holders(port);
    // The keeper holds every listener that it has lent, to whichever edge: one of another build, or one that drains. Which
    // program a holder is of says nothing: another Mainstay on this machine may be of the same.
    if pids.iter().any(|pid| u32::try_from(*pid) == Ok(std::process::id())) {
        return Some("Mainstay's own edge".to_owned());
    }
    let pid = pids.first()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let instance = instance(*pid).map(|name| format!(", of the instance {name}")).unwrap_or_default();
    Some(format!("{} (pid {pid}{instance})", name.trim()))
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
    fn a_port_that_the_keeper_has_lent_is_the_edges_of_any_build_and_another_ones_has_its_name() {
        let own = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = own.local_addr().expect("an address").port();
        assert_eq!(told(port).as_deref(), Some("Mainstay's own edge"));
        // A child of another program, as an edge of another build is; then it holds it alone.
        let mut sleep = Command::new("sleep");
        let held = std::os::fd::OwnedFd::from(own.try_clone().expect("a second descriptor"));
        let mut child =
            sleep.arg("100").env("MAINSTAY_INSTANCE", "web.1.1").stdin(held).spawn().expect("started");
        drop(sleep);
        let name = |pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let mut tries = std::iter::repeat_with(|| holders(port)).take(1000);
        assert!(tries.any(|all| all.iter().any(|pid| name(*pid).trim() == "sleep")), "it holds it too");
        assert_eq!(told(port).as_deref(), Some("Mainstay's own edge"), "held by another program as well");
        drop(own);
        // A child of another test has it too until it has become its program.
        let wanted = format!("sleep (pid {}, of the instance web.1.1)", child.id());
        let mut tries = std::iter::repeat_with(|| told(port)).take(1000);
        let is_named = tries.any(|said| said.as_deref() == Some(wanted.as_str()));
        child.kill().expect("killed");
        child.wait().expect("collected");
        assert!(is_named, "{wanted}");
        assert_eq!(told(port), None);
    }
}
