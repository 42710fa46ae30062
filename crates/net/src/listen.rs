//! Listeners: bound dual-stack and shareable, so that several acceptors (and the next edge) can serve one address.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that may wait to be accepted; the kernel takes `net.core.somaxconn` where that is less.
pub const BACKLOG: i32 = 4096;

/// Binds a TCP listener of a SO_REUSEPORT set: non-blocking, close-on-exec, and on `[::]` for IPv4 too.
///
/// # Errors
/// As the kernel says: address in use, permission, no such interface.
pub fn bind(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A listener that was closed a moment ago leaves connections in TIME_WAIT; they must not keep the address.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address that a socket is bound to; `None` for one that is no internet socket.
pub fn local_address(fd: &impl AsFd) -> Option<SocketAddr> {
    SockRef::from(fd).local_addr().ok()?.as_socket()
}

/// Whether somebody else listens on the address already. With SO_REUSEPORT the kernel lets any process of the same uid
/// join a set, which would share its connections without a word.
///
/// # Errors
/// `AddrInUse` if so, and what else binding says.
pub fn check_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_set_shares_one_address_and_each_of_it_gets_connections() {
        let first = bind(loopback(0)).expect("bound");
        let address = local_address(&first).expect("an address");
        let second = bind(address).expect("bound beside it");
        let set = [first, second].map(TcpListener::from);
        let clients: Vec<_> = (0..64).map(|_| TcpStream::connect(address).expect("connected")).collect();
        let accepted: Vec<usize> =
            set.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).collect();
        assert_eq!(accepted.iter().sum::<usize>(), clients.len());
        assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
    }

    #[test]
    fn an_address_that_another_listens_on_is_not_joined_silently() {
        let other = bind(loopback(0)).expect("bound");
        let address = local_address(&other).expect("an address");
        assert_eq!(check_free(address).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        drop(other);
        check_free(address).expect("free again");
    }

    #[test]
    fn all_addresses_means_ipv4_too() {
        let listener = bind("[::]:0".parse().expect("an address")).expect("bound");
        let port = local_address(&listener).expect("an address").port();
        TcpStream::connect(loopback(port)).expect("connected by IPv4");
    }
}
