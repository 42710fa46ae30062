//! Ports for apps: each belongs to one living process, also while that process has not bound it yet.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    ops::RangeInclusive,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// The ports in use; one per keeper.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    taken: Arc<Mutex<BTreeSet<u16>>>,
}

/// A port for as long as its process is known.
#[derive(Debug)]
pub(crate) struct Lease {
    port: u16,
    taken: Arc<Mutex<BTreeSet<u16>>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.port);
    }
}

/// Keeps others off a port while the app has not bound it. Bound and not listening: an app whose socket says
/// SO_REUSEADDR may bind beside it, and all others after it is dropped.
#[derive(Debug)]
pub(crate) struct Placeholder {
    _socket: OwnedFd,
}

impl Ports {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, taken: Arc::default() }
    }

    /// The port of an adopted process.
    pub(crate) fn lease(&self, port: u16) -> Option<Lease> {
        let fresh = self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        fresh.then(|| Lease { port, taken: Arc::clone(&self.taken) })
    }

    /// A free port, tried by binding; from a random place on, so that a port is not reused at once.
    pub(crate) fn pick<T>(
        &self,
        bind: impl Fn(SocketAddr) -> io::Result<T>,
    ) -> Option<(SocketAddr, Lease, T)> {
        let (first, count) = (*self.range.start(), self.range.clone().count());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a roll is in 0..1")]
        let offset = (machine::entropy::roll() * count as f64) as usize;
        for n in 0..count {
            let port = first.saturating_add(u16::try_from((offset + n) % count).unwrap_or(0));
            let Some(lease) = self.lease(port) else { continue };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if let Ok(bound) = bind(address) {
                return Some((address, lease, bound));
            }
        }
        None
    }
}

pub(crate) fn hold(address: SocketAddr) -> io::Result<Placeholder> {
    // Somebody may listen on all interfaces with SO_REUSEADDR beside it: then it is not free for an app without that.
    drop(TcpListener::bind(address)?);
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    let SocketAddr::V4(address) = address else { return Err(io::ErrorKind::InvalidInput.into()) };
    rustix::net::bind(&socket, &SocketAddrV4::new(*address.ip(), address.port()))?;
    Ok(Placeholder { _socket: socket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_again_when_its_process_is_gone() {
        let probe = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = probe.local_addr().expect("address").port();
        let ports = Ports::new(port..=port);
        assert!(ports.pick(hold).is_none(), "another listens there");
        drop(probe);
        let first = ports.pick(hold).expect("free now");
        assert!(ports.pick(|_| Ok(())).is_none(), "given already");
        drop(first);
        assert!(ports.pick(hold).is_some());
    }

    #[test]
    fn an_app_can_bind_while_its_port_is_held() {
        let ports = Ports::new(20_000..=29_999);
        let (address, _lease, _held) = ports.pick(hold).expect("a free port");
        // std sets SO_REUSEADDR, as Node, Go and uvicorn do.
        TcpListener::bind(address).expect("beside the placeholder");
    }
}
