//! Which sockets processes listen on, from `/proc`: the descriptors of each process, matched with the socket tables of
//! its network namespace (proc_pid_net(5)).

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listening {
    Tcp(SocketAddr),
    /// Abstract ones start with `@`.
    Unix(PathBuf),
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What the processes listen on, each address once. Processes that ended meanwhile are left out.
///
/// # Errors
/// `PermissionDenied` if no process at all could be read.
pub fn listening(pids: &[i32]) -> io::Result<Vec<Listening>> {
    let mut found = BTreeSet::new();
    let mut refused = None;
    let mut read_any = false;
    for pid in pids {
        match inodes(*pid) {
            Ok(inodes) => {
                read_any = true;
                found.extend(
                    tables(*pid).into_iter().filter(|(inode, _)| inodes.contains(inode)).map(|(_, l)| l),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => refused = Some(error),
            Err(_) => {}
        }
    }
    match refused {
        Some(error) if !read_any => Err(error),
        _ => Ok(found.into_iter().collect()),
    }
}

/// The processes that hold a TCP socket that listens on `port`, by whatever address; those of others are only seen by root.
pub fn holders(port: u16) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let on_port =
        |listening: &Listening| matches!(listening, Listening::Tcp(address) if address.port() == port);
    let wanted: BTreeSet<u64> =
        tables(own).into_iter().filter(|(_, listening)| on_port(listening)).map(|(inode, _)| inode).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| inodes(*pid).is_ok_and(|held| !held.is_disjoint(&wanted))).collect()
}

fn inodes(pid: i32) -> io::Result<BTreeSet<u64>> {
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = entry.and_then(|entry| fs::read_link(entry.path())) else { continue };
        inodes.extend(target.to_str().and_then(socket_inode));
    }
    Ok(inodes)
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn tables(pid: i32) -> Vec<(u64, Listening)> {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let tcp = [read("tcp"), read("tcp6")];
    let tcp = tcp.iter().flat_map(|text| text.lines().skip(1)).filter_map(tcp_line);
    let unix = read("unix");
    let unix = unix.lines().skip(1).filter_map(unix_line);
    tcp.chain(unix).collect()
}

/// `0: 0100007F:1F90 00000000:0000 0A … inode …`
fn tcp_line(line: &str) -> Option<(u64, Listening)> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let address = SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?);
    (*state == LISTEN).then_some(())?;
    Some((inode.parse().ok()?, Listening::Tcp(address)))
}

/// The kernel prints each 32-bit word of an address as a number in the machine's own byte order.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |n: usize| u32::from_str_radix(hex.get(n * 8..n * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    if hex.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let mut bytes = [0_u8; 16];
    for (n, chunk) in bytes.chunks_exact_mut(4).enumerate() {
        chunk.copy_from_slice(&word(n)?);
    }
    Some(IpAddr::V6(Ipv6Addr::from(bytes)))
}

/// `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock`; the flag 0x10000 is `__SO_ACCEPTCON`.
fn unix_line(line: &str) -> Option<(u64, Listening)> {
    let mut words = line.splitn(8, ' ').map(str::trim);
    let flags = words.nth(3)?;
    (u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0).then_some(())?;
    let rest: Vec<&str> = line.split_ascii_whitespace().collect();
    let inode = rest.get(6)?.parse().ok()?;
    // The path is the rest of the line: it may hold spaces.
    let path = rest.get(7).and_then(|first| line.get(line.find(first)?..))?;
    Some((inode, Listening::Unix(PathBuf::from(path))))
}

#[cfg(test)]
mod tests;
