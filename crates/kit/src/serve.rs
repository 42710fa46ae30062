//! Listening and serving: TCP, a unix socket, or a socket that the supervisor bound and hands over as descriptor 3.
//!
//! Ends after SIGTERM when all connections ended, at the drain's limit at the latest: axum itself waits for ever on an
//! open event stream (tokio-rs/axum#2673).

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use axum::{
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, UnixListener},
};

use crate::Drain;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `tcp:host:port`.
    Tcp {
        /// A name or an address; `0.0.0.0` and `::` are all of this machine's.
        host: String,
        /// 0: any that is free.
        port: u16,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Where a request came from, as a connection's extension (`ConnectInfo<Peer>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// From this address, which may be a proxy's.
    Tcp(SocketAddr),
    /// Through a unix socket: whoever may open the file.
    Local,
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Of [`Listen::from_str`](std::str::FromStr::from_str).
    #[error("`{0}` is no place to listen: write unix:/path or tcp:host:port")]
    Syntax(String),
    /// The kernel refused.
    #[error("cannot listen on {place}: {cause}")]
    Bind {
        /// The path, or host and port.
        place: String,
        /// The kernel's word.
        cause: io::Error,
    },
    /// The supervisor handed over something else.
    #[error("descriptor 3 was promised by LISTEN_FDS but is no listening socket: {0}")]
    Inherited(io::Error),
}

impl std::str::FromStr for Listen {
    type Err = ListenError;

    /// `unix:/run/app.sock` or `tcp:127.0.0.1:3000`.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        let wrong = || ListenError::Syntax(text.to_owned());
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp", address)) => {
                let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
                let port = port.parse().map_err(|_| wrong())?;
                Ok(Self::Tcp { host: host.trim_matches(['[', ']']).to_owned(), port })
            }
            _ => Err(wrong()),
        }
    }
}

/// A bound socket. A unix socket's file is removed at the end by the process that bound it.
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    unlink: Option<PathBuf>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Bound {
    /// An inherited socket (`LISTEN_FDS=1`) goes before `listen`.
    ///
    /// # Errors
    /// The address is taken or not ours, or descriptor 3 is no listening socket.
    pub async fn bind(listen: &Listen) -> Result<Self, ListenError> {
        if let Some(inherited) = inherited()? {
            return Ok(inherited);
        }
        match listen {
            Listen::Tcp { host, port } => {
                let place = format!("{host}:{port}");
                let socket =
                    bind_tcp(host, *port).await.map_err(|cause| ListenError::Bind { place, cause })?;
                Ok(Self { socket: Socket::Tcp(socket), unlink: None })
            }
            Listen::Unix(path) => bind_unix(path)
                .map_err(|cause| ListenError::Bind { place: path.display().to_string(), cause }),
        }
    }

    /// For the log line at start, and for tests that bind port 0.
    pub fn place(&self) -> String {
        match &self.socket {
            Socket::Tcp(socket) => {
                socket.local_addr().map_or_else(|_| "tcp".to_owned(), |addr| format!("http://{addr}"))
            }
            Socket::Unix(_) => self
                .unlink
                .as_ref()
                .map_or_else(|| "unix socket".to_owned(), |path| format!("unix:{}", path.display())),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = &self.unlink {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn inherited() -> Result<Option<Bound>, ListenError> {
    let mut fds = listenfd::ListenFd::from_env();
    if fds.len() == 0 {
        return Ok(None);
    }
    // listenfd looks at the descriptor's family and leaves it in place when it is another.
    if let Ok(Some(socket)) = fds.take_unix_listener(0) {
        socket.set_nonblocking(true).map_err(ListenError::Inherited)?;
        let socket = UnixListener::from_std(socket).map_err(ListenError::Inherited)?;
        return Ok(Some(Bound { socket: Socket::Unix(socket), unlink: None }));
    }
    let Some(socket) = fds.take_tcp_listener(0).map_err(ListenError::Inherited)? else { return Ok(None) };
    socket.set_nonblocking(true).map_err(ListenError::Inherited)?;
    let socket = TcpListener::from_std(socket).map_err(ListenError::Inherited)?;
    Ok(Some(Bound { socket: Socket::Tcp(socket), unlink: None }))
}

/// Bound: connections that wait for `accept`. The standard library's 128 overflow when many clients come back at once.
const BACKLOG: u32 = 1_024;

/// The first address that can be bound.
async fn bind_tcp(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in tokio::net::lookup_host((host, port)).await? {
        let bind = || {
            let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
            // Connections of a process before us that wait for their last packets must not keep the port.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match bind() {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A socket file that nobody answers on is left from a process that was killed; one that answers is somebody's.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    Ok(Bound { socket: Socket::Unix(socket), unlink: Some(path.to_owned()) })
}

impl Listener for Bound {
    type Io = Box<dyn AnyIo>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        loop {
            let accepted: io::Result<(Self::Io, Peer)> = match &self.socket {
                Socket::Tcp(socket) => socket.accept().await.map(|(stream, addr)| {
                    // Small events must not wait for the acknowledgement of the last.
                    let _ = stream.set_nodelay(true);
                    (Box::new(stream) as Self::Io, Peer::Tcp(addr))
                }),
                Socket::Unix(socket) => {
                    socket.accept().await.map(|(stream, _)| (Box::new(stream) as Self::Io, Peer::Local))
                }
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) => {
                    // Mostly out of descriptors: closing connections heals it, so wait instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map(Peer::Tcp),
            Socket::Unix(_) => Ok(Peer::Local),
        }
    }
}

/// A stream of either kind.
pub trait AnyIo: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> AnyIo for T {}

impl Connected<IncomingStream<'_, Bound>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bound>) -> Self {
        *stream.remote_addr()
    }
}

/// Serves until the drain ends it. Also waits for the drain's tracked tasks.
///
/// # Errors
/// The listener broke.
pub async fn serve(bound: Bound, router: Router, drain: &Drain) -> io::Result<()> {
    let stop = drain.clone();
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(bound, service).with_graceful_shutdown(async move { stop.stopping().await });
    tokio::select! {
        ended = serving.into_future() => ended?,
        () = drain.over() => tracing::warn!("connections were still open at the limit"),
    }
    if !drain.finished().await {
        tracing::warn!("work was still running at the limit");
    }
    Ok(())
}
