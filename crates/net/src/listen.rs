//! Binding: sets of listeners that share an address, so that each serving thread has its own accept queue.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::AsFd,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{address} is taken by another program")]
    Taken { address: SocketAddr },
    #[error("port {} needs root or CAP_NET_BIND_SERVICE", address.port())]
    NotAllowed { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Other { address: SocketAddr, source: io::Error },
}

/// Binds `count` listeners (at least one) to `address`, non-blocking and close-on-exec.
///
/// `[::]` takes IPv4 too, and becomes `0.0.0.0` on a machine without IPv6. Port 0 gives all of them the same free port.
/// Every listener of the set must be accepted from: the kernel spreads connections over all.
///
/// # Errors
/// [`BindError::Taken`] also if a program bound the address without SO_REUSEPORT, or as another user.
pub fn bind_set(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let first = match bind(address) {
        Err(error) if is_without_ipv6(&error) && address.ip().is_unspecified() => {
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        first => first,
    };
    let first = first.map_err(|source| told(address, source))?;
    let actual = first.local_addr().map_err(|source| told(address, source))?;
    let mut set = vec![first];
    for _ in 1..count {
        set.push(bind(actual).map_err(|source| told(actual, source))?);
    }
    Ok(set)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether nobody listens on the address. The kernel lets any process of the same user join a set without a word and
/// share its connections; whoever binds the first of a set asks here before.
///
/// # Errors
/// [`BindError::Taken`] if somebody does; what else binding says.
pub fn check_free(address: SocketAddr) -> Result<(), BindError> {
    let alone = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1)
    };
    match alone(address) {
        // As `bind_set` would do it.
        Err(error) if is_without_ipv6(&error) && address.ip().is_unspecified() => {
            alone(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        Err(error) if is_without_ipv6(&error) => Ok(()),
        other => other,
    }
    .map_err(|error| told(address, error))
}

/// Whether what is `bound` is what `bind_set` makes of `wanted`, on this machine or on one without IPv6.
pub fn is_made_of(bound: SocketAddr, wanted: SocketAddr) -> bool {
    let is_fallback = wanted.is_ipv6() && wanted.ip().is_unspecified() && bound.ip() == Ipv4Addr::UNSPECIFIED;
    (bound.ip() == wanted.ip() || is_fallback) && (wanted.port() == 0 || bound.port() == wanted.port())
}

/// Where a descriptor is bound; `None` for one that is no internet socket.
pub fn local_address(fd: &impl AsFd) -> Option<SocketAddr> {
    SockRef::from(fd).local_addr().ok()?.as_socket()
}

fn is_without_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    const EADDRNOTAVAIL: i32 = 99;
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

fn told(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address },
        io::ErrorKind::PermissionDenied => BindError::NotAllowed { address },
        _ => BindError::Other { address, source },
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_set_shares_one_port_and_each_connection_has_one_queue() {
        let set = bind_set("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = set[0].local_addr().unwrap();
        assert!(set.iter().all(|listener| listener.local_addr().unwrap() == address));
        let clients: Vec<_> = (0..12).map(|_| TcpStream::connect(address).unwrap()).collect();
        let accepted: usize =
            set.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).sum();
        assert_eq!(accepted, clients.len());
    }

    #[test]
    fn what_another_program_holds_is_told() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        assert!(matches!(bind_set(address, 1), Err(BindError::Taken { .. })));
    }

    #[test]
    fn a_set_of_another_program_is_not_joined_silently() {
        let set = bind_set("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = set[0].local_addr().unwrap();
        assert_eq!(local_address(&set[1]), Some(address));
        assert!(matches!(check_free(address), Err(BindError::Taken { .. })));
        drop(set);
        check_free(address).unwrap();
    }

    #[test]
    fn a_listener_is_known_by_what_was_asked_for_also_without_ipv6() {
        let is_made_of =
            |bound: &str, wanted: &str| is_made_of(bound.parse().unwrap(), wanted.parse().unwrap());
        assert!(is_made_of("[::]:80", "[::]:80") && is_made_of("127.0.0.1:4123", "127.0.0.1:0"));
        assert!(is_made_of("0.0.0.0:80", "[::]:80"), "a machine without IPv6 has no other");
        assert!(!is_made_of("[::]:80", "0.0.0.0:80"), "IPv4 alone was asked for");
        assert!(!is_made_of("0.0.0.0:81", "[::]:80") && !is_made_of("127.0.0.1:80", "[::]:80"));
    }

    #[test]
    fn all_interfaces_are_both_families() {
        let set = bind_set("[::]:0".parse().unwrap(), 1).unwrap();
        let port = set[0].local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
