//! Connections to upstreams: opening them, keeping them for a second, and never using one whose state is not certain.
//!
//! Each thread has its own. hyper's connection task says when both halves of an exchange are done; only then is its
//! sender ready and the connection given out again.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use model::{Address, ProcessId};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{
    body::RequestBody,
    clock::now_ms,
    hash::OwnKeys,
    joined::joined,
    pool::UpstreamState,
    settings::Limits,
    timers::{Timers, within},
};

/// A request that cannot be sent twice takes a pooled connection only if it was used this recently: the shorter the
/// pause, the less likely that the upstream is just closing it.
const FRESH_MS: u64 = 250;
/// Bound: what one upstream connection may buffer of an answer.
const BUFFER_BYTES_MAX: usize = 128 << 10;
/// Between two attempts at a unix socket whose queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

pub(crate) type Sender = SendRequest<RequestBody>;

/// A connection and when it was last used, in the edge's milliseconds.
type Kept = (Sender, u64);

/// The idle connections of one thread.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    by_process: RefCell<HashMap<ProcessId, Vec<Kept>, OwnKeys>>,
}

/// The right to give a connection back once its answer has ended.
#[derive(Debug)]
pub(crate) struct Reuse {
    pub(crate) idle: Rc<Idle>,
    pub(crate) process: ProcessId,
    pub(crate) sender: Sender,
    pub(crate) max: usize,
}

impl Reuse {
    /// `now_ms`: a little early is well, the connection only seems older then.
    pub(crate) fn put_back(self, now_ms: u64) {
        if self.sender.is_closed() {
            return;
        }
        let mut all = self.idle.by_process.borrow_mut();
        let list = all.entry(self.process).or_default();
        if list.len() < self.max {
            list.push((self.sender, now_ms));
        }
    }
}

impl Idle {
    /// The connection that was used last and is certain to be free.
    pub(crate) fn take(
        &self,
        process: ProcessId,
        may_send_twice: bool,
        idle_max: Duration,
    ) -> Option<Sender> {
        let mut all = self.by_process.borrow_mut();
        let list = all.get_mut(&process)?;
        let oldest =
            now_ms().saturating_sub(if may_send_twice { crate::clock::ms(idle_max) } else { FRESH_MS });
        let mut at = list.len();
        while at > 0 {
            at -= 1;
            let (sender, since) = &list[at];
            if sender.is_closed() {
                list.swap_remove(at);
                continue;
            }
            if *since < oldest {
                // Older ones stand before it; the sweep closes them.
                return None;
            }
            if sender.is_ready() {
                return Some(list.remove(at).0);
            }
        }
        None
    }

    /// Closes what has been idle for `idle_max`.
    pub(crate) fn sweep(&self, idle_max: Duration) {
        let oldest = now_ms().saturating_sub(crate::clock::ms(idle_max));
        self.by_process.borrow_mut().retain(|_, list| {
            list.retain(|(sender, since)| *since >= oldest && !sender.is_closed());
            !list.is_empty()
        });
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot connect")]
    Io(#[from] io::Error),
    #[error("no connection in time")]
    Timeout,
    #[error("cannot speak HTTP on it")]
    Handshake(#[from] hyper::Error),
}

/// The transport to an upstream.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Opens a transport within `limits.connect_timeout`.
pub(crate) async fn dial(
    timers: &Rc<Timers>,
    address: &Address,
    limits: &Limits,
) -> Result<Transport, ConnectError> {
    let open = async {
        Ok(match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Transport::Tcp(stream)
            }
            Address::Unix(path) => Transport::Unix(connect_unix(path).await?),
        })
    };
    within(timers, limits.connect_timeout.0, open).await.unwrap_or(Err(ConnectError::Timeout))
}

/// A unix socket says at once that its queue is full (EAGAIN), where TCP would wait; so we wait. The caller bounds it.
async fn connect_unix(path: &std::path::Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(QUEUE_FULL_PAUSE).await
            }
            done => return done,
        }
    }
}

/// A new connection that speaks HTTP/1.1; its task lives as long as it does.
pub(crate) async fn connect(
    timers: &Rc<Timers>,
    upstream: &UpstreamState,
    limits: &Limits,
) -> Result<Sender, ConnectError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER_BYTES_MAX);
    let transport = dial(timers, &upstream.address, limits).await?;
    let (sender, connection) = builder.handshake(TokioIo::new(transport)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(result) = joined(slices, |piece| self.as_mut().poll_write(cx, piece)) {
            return result;
        }
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets hold nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
