//! What listens to strangers without being meant to: the kernel's own lists, `tcp`, `tcp6`, `udp` and `udp6` of `/proc/net`.

use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
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

/// What comes to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// One that accepts TCP, or takes datagrams from whoever sends them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(super) protocol: Protocol,
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
        match self.protocol {
            Protocol::Tcp => format!("{}{owner}", self.address),
            Protocol::Udp => format!("{}/udp{owner}", self.address),
        }
    }
}

/// Neither of this machine alone, nor of one link, nor of a private network.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

/// `TCP_LISTEN` and `TCP_CLOSE` of the kernel's net/tcp_states.h: the latter is a UDP socket without a peer.
const LISTENING: &str = "0A";
const WITHOUT_PEER: &str = "07";
/// A DHCP client has to be told by whoever is there (RFC 2131, 4.1; RFC 8415, 7.2).
const DHCP_CLIENTS: [u16; 2] = [68, 546];
/// The kernel's own, where it does not say.
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

pub(super) fn read(root: &Path) -> Known<Vec<Socket>> {
    // A kernel without IPv6 has no such file, and a machine without UDP none of that.
    let other = |file: &str| text(root, file).unwrap_or_default();
    let mut all = parse(Protocol::Tcp, &text(root, "proc/self/net/tcp")?);
    all.extend(parse(Protocol::Tcp, &other("proc/self/net/tcp6")));
    let udp = ["proc/self/net/udp", "proc/self/net/udp6"].map(other);
    let ephemeral = ephemeral(&other("proc/sys/net/ipv4/ip_local_port_range"));
    let is_server = |socket: &Socket| {
        let port = socket.address.port();
        !ephemeral.contains(&port) && !DHCP_CLIENTS.contains(&port)
    };
    all.extend(udp.iter().flat_map(|text| parse(Protocol::Udp, text)).filter(is_server));
    let owners = owners(root);
    for socket in &mut all {
        socket.owner = owners.get(&socket.inode).cloned();
    }
    Ok(all)
}

/// From where the kernel takes a port for who asks for none: a resolver that waits for its answer, not a server.
fn ephemeral(text: &str) -> RangeInclusive<u16> {
    let mut ports = text.split_whitespace().map_while(|port| port.parse().ok());
    ports.next().zip(ports.next()).map_or(EPHEMERAL, |(first, last)| first..=last)
}

/// proc_net_tcp(5): the second column is address and port in hexadecimal, the fourth the state, the tenth the inode.
fn parse(protocol: Protocol, text: &str) -> Vec<Socket> {
    let waits = match protocol {
        Protocol::Tcp => LISTENING,
        Protocol::Udp => WITHOUT_PEER,
    };
    let socket = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (ip, port) = columns.next()?.split_once(':')?;
        let is_waiting = columns.nth(1)? == waits;
        let inode = columns.nth(5)?.parse().ok()?;
        let address = SocketAddr::new(ip_of(ip)?, u16::from_str_radix(port, 16).ok()?);
        is_waiting.then_some(Socket { protocol, address, inode, owner: None })
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
            // Neither the edge nor sshd speaks UDP.
            socket.protocol == Protocol::Udp || !is_ssh && !meant.contains(&socket.address.port())
        });
        let wrong = wrong.map(|socket| format!("{} takes what anybody sends", socket.told())).collect();
        let explain = Explain::new("listens-to-strangers", "more listens to strangers than the edge and sshd")
            .now("a firewall may close it all the same: `firewall` says whether this machine's does")
            .help("let it listen at 127.0.0.1, or at a private address; where it is meant to be reached, attest `listening-sockets`");
        found_if(wrong, explain, count(public().count(), "public socket"))
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

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
    fn a_socket_that_takes_datagrams_from_anybody_is_told_and_one_that_awaits_an_answer_is_not() {
        // Below what the kernel gives to who asks for none.
        let server = (20_000..30_000).find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
        let server = server.expect("a free port");
        let (asks, connected) = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port")).into();
        connected.connect(server.local_addr().expect("bound")).expect("its peer");
        let sockets = read(Path::new("/")).expect("linux");
        let is_told = |socket: &UdpSocket| {
            let address = socket.local_addr().expect("bound");
            sockets.iter().any(|one| one.protocol == Protocol::Udp && one.address == address)
        };
        assert_eq!([&server, &asks, &connected].map(is_told), [true, false, false], "{sockets:?}");
        assert_eq!(ephemeral("1024\t4999\n"), 1_024..=4_999);
        assert_eq!(ephemeral("?"), EPHEMERAL);
    }

    #[test]
    fn who_is_reached_by_strangers_is_told_by_the_address() {
        let is_public = |address: &str| {
            let address = address.parse().expect("an address");
            Socket { protocol: Protocol::Tcp, address, inode: 0, owner: None }.is_public()
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
