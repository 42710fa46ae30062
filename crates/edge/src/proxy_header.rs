//! Who a connection is from, as a balancer says it in front of the first byte: the PROXY protocol, versions 1 and 2
//! (proxy-protocol.txt of HAProxy).
//!
//! Whether a header comes is never guessed from bytes, which its section 2 forbids: the peer's address decides. From a
//! trusted proxy one must come, from anybody else none is looked for.

use std::{io, net::SocketAddr};

use proxy_header::{Error, ParseConfig, ProxiedAddress, ProxyHeader, SslInfo};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// Bound: of a header. The addresses take 232 bytes at most; what is left is for TLVs such as a client's certificate.
const BYTES_MAX: usize = 4 << 10;
/// Bound: of a header of version 1, its end included (section 2.1).
const V1_BYTES_MAX: usize = 107;
const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_LOCAL: u8 = 0x20;

/// Whom the connection is from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Of the proxy itself (LOCAL: its health checks), or of somebody without an address that means anything here
    /// (UNKNOWN, unix sockets): the connection's own ends hold.
    Unnamed,
    Client(Client),
}

/// A client behind the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// That the client connected to, at the proxy.
    pub(crate) port: u16,
    /// It spoke TLS to the proxy, which says so.
    pub(crate) over_tls: bool,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// It closed without a word, as a check of the port does.
    #[error("it closed before its first byte")]
    Left,
    #[error("it does not begin with a PROXY header, or with one that is broken")]
    Malformed,
    #[error("its PROXY header is longer than {BYTES_MAX} bytes")]
    TooLong,
    #[error("it broke off within its PROXY header")]
    Cut(#[source] io::Error),
}

/// Takes the header off the stream and not one byte more. Bounded in bytes; the caller bounds the time. Dropped, it may
/// have taken a part of the header: the connection is of no use then.
pub(crate) async fn read(stream: &mut TcpStream) -> Result<Announced, HeaderError> {
    let mut bytes = vec![0; BYTES_MAX];
    let mut have = 0;
    loop {
        let room = bytes.get_mut(have..).filter(|room| !room.is_empty()).ok_or(HeaderError::TooLong)?;
        let seen = stream.peek(room).await.map_err(HeaderError::Cut)?;
        if seen == 0 && have == 0 {
            return Err(HeaderError::Left);
        }
        let parsed = parse(bytes.get_mut(..have + seen).unwrap_or_default())?;
        // While the header is not whole, all that was seen belongs to it: read now, it does not wake us again.
        let used = parsed.as_ref().map_or(seen, |(_, length)| length.saturating_sub(have));
        let part = bytes.get_mut(have..have + used).unwrap_or_default();
        stream.read_exact(part).await.map_err(HeaderError::Cut)?;
        if seen == 0 {
            return Err(HeaderError::Cut(io::ErrorKind::UnexpectedEof.into()));
        }
        have += used;
        if let Some((announced, _)) = parsed {
            return Ok(announced);
        }
    }
}

/// The header that `bytes` begin with and its length; `None`: more bytes are needed to tell.
fn parse(bytes: &mut [u8]) -> Result<Option<(Announced, usize)>, HeaderError> {
    let is_v2 = bytes.starts_with(V2_START);
    if let Some([command, family]) = bytes.get_mut(12..14).filter(|_| is_v2)
        && *command == V2_LOCAL
    {
        // Section 2.2: of LOCAL the family is ignored. The parser would refuse one that it does not know.
        *family = 0;
    }
    match ProxyHeader::parse(bytes, ParseConfig::default()) {
        Ok((_, length)) if !is_v2 && !is_plain_v1(bytes.get(..length).unwrap_or_default()) => {
            Err(HeaderError::Malformed)
        }
        Ok((header, length)) => Ok(Some((announced(&header), length))),
        // The parser looks for a word that is missing beyond the line's end.
        Err(Error::BufferTooShort) if bytes.starts_with(b"P") && bytes.contains(&b'\n') => {
            Err(HeaderError::Malformed)
        }
        Err(Error::BufferTooShort) => Ok(None),
        Err(_) => Err(HeaderError::Malformed),
    }
}

/// The parser takes a sign before a port, any byte after `PROXY`, and a line of any length; section 2.1 does not.
fn is_plain_v1(line: &[u8]) -> bool {
    line.len() <= V1_BYTES_MAX && line.starts_with(V1_START) && !line.contains(&b'+')
}

fn announced(header: &ProxyHeader<'_>) -> Announced {
    match header.proxied_address() {
        None => Announced::Unnamed,
        Some(ProxiedAddress { source, destination, .. }) => Announced::Client(Client {
            address: *source,
            port: destination.port(),
            over_tls: header.ssl().as_ref().is_some_and(SslInfo::client_ssl),
        }),
    }
}

#[cfg(test)]
mod tests;
