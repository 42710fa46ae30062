//! The addresses of this machine.

use std::{io, net::IpAddr};

/// Those of all its interfaces that are not its own alone (loopback) or of one link, without doubles.
///
/// # Errors
/// The kernel's.
pub fn own() -> io::Result<Vec<IpAddr>> {
    let of_one_link = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let all = if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip());
    let mut all: Vec<IpAddr> = all.filter(|ip| !ip.is_loopback() && !of_one_link(ip)).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}
