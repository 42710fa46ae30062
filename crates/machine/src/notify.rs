//! `READY=1` to whoever started us (sd_notify(3)).

use std::{io, os::linux::net::SocketAddrExt, os::unix::net};

/// Does nothing where nobody asked.
/// # Errors
/// Nobody listens at the socket that the environment names.
pub fn ready() -> io::Result<()> {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match path.strip_prefix('@') {
        Some(name) => net::SocketAddr::from_abstract_name(name)?,
        None => net::SocketAddr::from_pathname(&path)?,
    };
    net::UnixDatagram::unbound()?.send_to_addr(b"READY=1\n", &address).map(drop)
}
