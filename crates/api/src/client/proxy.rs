//! The other side of [`super::ssh`]: a connection to the keeper of this machine, for somebody else's requests.

use std::{os::unix::net::UnixStream, path::Path, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;

use super::{Failure, encode, way, wire};
use crate::{access::Grant, paths};

/// Bound: the keeper answers this without looking at anything.
const WITHIN: Duration = Duration::from_secs(30);

/// A connection to the keeper behind `socket`, which was asked nothing, but for what `grant` leaves of its rights.
///
/// # Errors
/// There is no keeper, or it does not narrow: then nothing may be passed on to it.
pub async fn open(socket: &Path, grant: Option<&Grant>) -> Result<UnixStream, Failure> {
    let stream = way::connect(socket).await?;
    let stream = match grant {
        Some(grant) => narrowed(stream, grant).await?,
        None => stream,
    };
    let blocking = stream.into_std().and_then(|stream| stream.set_nonblocking(false).map(|()| stream));
    blocking.map_err(|source| Failure::NoKeeper { socket: socket.to_owned(), source })
}

/// Asks for less, and gives the connection back as it is once that was answered.
async fn narrowed(stream: tokio::net::UnixStream, grant: &Grant) -> Result<tokio::net::UnixStream, Failure> {
    let lost =
        |error: hyper::Error| Failure::Lost { what: paths::CONNECTION.to_owned(), cause: error.to_string() };
    let shaken = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(lost)?;
    let body = encode(grant)?;
    let asked = async move {
        let answer = sender.send_request(wire::post(paths::CONNECTION, body)?).await.map_err(lost)?;
        // The sender goes with this block: then the connection has nothing to do and is given back.
        wire::expect_nothing(paths::CONNECTION, answer).await
    };
    let both = async { tokio::join!(asked, connection.without_shutdown()) };
    let silent = |_| Failure::Silent { what: paths::CONNECTION.to_owned(), within: WITHIN };
    let (answered, parts) = tokio::time::timeout(WITHIN, both).await.map_err(silent)?;
    answered?;
    Ok(parts.map_err(lost)?.io.into_inner())
}
