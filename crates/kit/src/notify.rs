//! Tells a supervisor that this process is ready (`READY=1` to `NOTIFY_SOCKET`), as `sd_notify(3)` describes.

use std::{
    io,
    os::{linux::net::SocketAddrExt, unix::net},
};

/// Nothing happens without a `NOTIFY_SOCKET`.
///
/// # Errors
/// The socket named there does not take the message.
pub fn ready() -> io::Result<()> {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match path.strip_prefix('@') {
        Some(name) => net::SocketAddr::from_abstract_name(name)?,
        None => net::SocketAddr::from_pathname(&path)?,
    };
    net::UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address).map(drop)
}
