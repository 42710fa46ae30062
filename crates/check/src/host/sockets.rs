//! What listens to strangers without being meant to: the kernel's own list, `/proc/net/tcp` and `tcp6`.

use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, text};
use crate::finding::{Check, count, found_if};

pub(super) const CHECK: Check<OnHost> = Check {
    id: "listening-sockets",
    title: "nothing listens to strangers but the edge and sshd",
    severity: Severity::Warning,
    sources: &["CHK-09g", "SEC-01", "W-S3"],
    run,
};

/// One that accepts TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(super) address: SocketAddr,
    inode: u64,
    /// The name of a process that has it; `None`: of another's, whom only root sees.
    pub(super) owner: Option<String>,
}

impl Socket {
    /// Whether somebody outside of this machine and of its private networks may reach it.
    pub(super) fn is_public(&self) -> bool {
        is_public(self.address.ip())
    }

    pub(super) fn told(&self) -> String {
        let owner = self.owner.as_deref().map_or(String::new(), |owner| format!(" ({owner})"));
        format!("{}{owner}", self.address)
    }
}

/// Neither of this machine alone, nor of one link, nor of a private network.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

/// `TCP_LISTEN` of the kernel's net/tcp_states.h.
const LISTENING: &str = "0A";

pub(super) fn read(root: &Path) -> Known<Vec<Socket>> {
    let mut all = parse(&text(root, "proc/self/net/tcp")?);
    // A kernel without IPv6 has no such file.
    all.extend(parse(&text(root, "proc/self/net/tcp6").unwrap_or_default()));
    let owners = owners(root);
    for socket in &mut all {
        socket.owner = owners.get(&socket.inode).cloned();
    }
    Ok(all)
}

/// proc_net_tcp(5): the second column is address and port in hexadecimal, the fourth the state, the tenth the inode.
fn parse(text: &str) -> Vec<Socket> {
    let socket = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (ip, port) = columns.next()?.split_once(':')?;
        let is_listening = columns.nth(1)? == LISTENING;
        let inode = columns.nth(5)?.parse().ok()?;
        let address = SocketAddr::new(ip_of(ip)?, u16::from_str_radix(port, 16).ok()?);
        is_listening.then_some(Socket { address, inode, owner: None })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// Words of 32 bits, each in the machine's own order of bytes.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?).into())
        }
        _ => None,
    }
}

/// The name of a process by the inode of each socket that it has open.
fn owners(root: &Path) -> HashMap<u64, String> {
    let mut owners = HashMap::new();
    for process in fs::read_dir(root.join("proc")).into_iter().flatten().flatten() {
        let is_process = process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if !is_process {
            continue;
        }
        let links = open.filter_map(|fd| fs::read_link(fd.path()).ok()?.to_str().map(str::to_owned));
        let inodes: Vec<u64> = links.filter_map(|link| inode_of(&link)).collect();
        if !inodes.is_empty() {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            owners.extend(inodes.into_iter().map(|inode| (inode, name.trim().to_owned())));
        }
    }
    owners
}

fn inode_of(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn run(context: &Host<'_>) -> State {
    judged(&context.facts.sockets, |sockets| {
        let meant = [context.served(), context.ssh_ports()].concat();
        let public = || sockets.iter().filter(|socket| socket.is_public());
        let wrong = public().filter(|socket| {
            let is_ssh = socket.owner.as_deref() == Some("sshd");
            !is_ssh && !meant.contains(&socket.address.port())
        });
        let wrong = wrong.map(|socket| format!("{} takes connections from anybody", socket.told())).collect();
        let explain = Explain::new("listens-to-strangers", "more listens to strangers than the edge and sshd")
            .now("a firewall may close it all the same: `firewall` says whether this machine's does")
            .help("let it listen at 127.0.0.1, or at a private address; where it is meant to be reached, attest `listening-sockets`");
        found_if(wrong, explain, count(public().count(), "public socket"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read_and_only_what_listens_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let client = std::net::TcpStream::connect(address).expect("listens");
        let sockets = read(Path::new("/")).expect("linux");
        let own: Vec<_> = sockets.iter().filter(|socket| socket.address == address).collect();
        assert_eq!(own.len(), 1, "{sockets:?}");
        assert!(own[0].owner.is_some() && !own[0].is_public());
        let client = client.local_addr().expect("connected");
        assert!(!sockets.iter().any(|socket| socket.address == client), "a connection listens to nobody");
    }

    #[test]
    fn who_is_reached_by_strangers_is_told_by_the_address() {
        let is_public = |address: &str| {
            Socket { address: address.parse().expect("an address"), inode: 0, owner: None }.is_public()
        };
        for address in ["0.0.0.0:1", "203.0.113.9:1", "[::]:1", "[2001:db8::1]:1", "[::ffff:203.0.113.9]:1"] {
            assert!(is_public(address), "{address}");
        }
        for address in [
            "127.0.0.1:1",
            "10.1.2.3:1",
            "192.168.1.1:1",
            "[::1]:1",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(!is_public(address), "{address}");
        }
    }
}
