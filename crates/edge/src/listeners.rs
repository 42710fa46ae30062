//! The listeners that the edge was started with: descriptors from 3 on, named by `LISTEN_FDNAMES` (sd_listen_fds(3)).
//!
//! `http.N` and `https.N` are members of SO_REUSEPORT sets, `ticket-seed` is the memory file of [`Seeds`], `pulse` a page that
//! the workers stamp. Every listener is given to a worker: one that nobody accepts from would swallow its share of the
//! connections.

use std::{
    io,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use machine::pulse::Pulse;
use net::tickets::Seeds;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::conn::Entrance;

/// Why the descriptors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("LISTEN_FDNAMES names {names} descriptors, LISTEN_FDS says {count}")]
    Names { names: usize, count: usize },
    #[error("the inherited descriptor `{0}` is not open")]
    Closed(String),
    #[error("the inherited descriptor `{0}` has a name that means nothing to the edge")]
    Unknown(String),
    #[error("the inherited descriptor `{name}` cannot be used")]
    Unusable { name: String, source: io::Error },
    #[error("cannot listen on {path}")]
    Bind { path: PathBuf, source: io::Error },
}

/// What the edge was started with.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) ticket_seeds: Option<Seeds>,
    /// Where workers show that they turn, to whoever started this process.
    pub(crate) pulse: Option<Pulse>,
    /// All of it once more, for a keeper that has lost its own.
    pub(crate) spare: Vec<(String, OwnedFd)>,
}

/// One listener, not yet registered with a runtime.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    /// Its place among the inherited descriptors, and its slot of the pulse; `None`: not inherited.
    pub(crate) place: Option<usize>,
    entrance: Entrance,
    bound: Bound,
}

#[derive(Debug)]
enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A listener on a runtime.
#[derive(Debug)]
pub(crate) struct Accept {
    pub(crate) name: String,
    pub(crate) entrance: Entrance,
    pub(crate) port: u16,
    pub(crate) socket: AcceptSocket,
}

#[derive(Debug)]
pub(crate) enum AcceptSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AcceptSocket {
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Some(peer)))
            }
            Self::Unix(listener) => Ok((Socket::Unix(listener.accept().await?.0), None)),
        }
    }
}

impl Listener {
    /// Must run on the runtime that accepts.
    pub(crate) fn register(self) -> io::Result<Accept> {
        let socket = match self.bound {
            Bound::Tcp(listener) => AcceptSocket::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener) => AcceptSocket::Unix(UnixListener::from_std(listener)?),
        };
        Ok(Accept { name: self.name, entrance: self.entrance, port: self.port, socket })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.entrance == Entrance::Https
    }

    fn tcp(name: &str, place: usize, entrance: Entrance, fd: OwnedFd) -> io::Result<Self> {
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            name: name.to_owned(),
            address: address.to_string(),
            port: address.port(),
            place: Some(place),
            entrance,
            bound: Bound::Tcp(listener),
        })
    }

    /// The private listener.
    pub(crate) fn private(path: &Path) -> Result<Self, ListenError> {
        Ok(Self {
            name: "private".to_owned(),
            address: path.display().to_string(),
            port: 0,
            place: None,
            entrance: Entrance::Private,
            bound: Bound::Unix(bind_unix(path)?),
        })
    }
}

/// Binds a unix socket 0660 at `path`, replacing what stands there: it is renamed into place only once it listens, so a
/// socket that exists answers.
pub(crate) fn bind_unix(path: &Path) -> Result<std::os::unix::net::UnixListener, ListenError> {
    let failed = |source| ListenError::Bind { path: path.to_owned(), source };
    let mut temp = path.as_os_str().to_owned();
    temp.push(".new");
    let temp = Path::new(&temp);
    match std::fs::remove_file(temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(temp).map_err(failed)?;
    std::fs::set_permissions(temp, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    std::fs::rename(temp, path).map_err(failed)?;
    Ok(listener)
}

/// Takes the inherited descriptors. Must be called before anything else opens a file.
pub(crate) fn inherit() -> Result<Inherited, ListenError> {
    let said = |name: &str| std::env::var(name).ok();
    let count: usize = said("LISTEN_FDS").and_then(|count| count.parse().ok()).unwrap_or(0);
    let for_another = said("LISTEN_PID").is_some_and(|pid| pid != std::process::id().to_string());
    if count == 0 || for_another {
        return Ok(Inherited::default());
    }
    let names = said("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    if names.len() != count {
        return Err(ListenError::Names { names: names.len(), count });
    }
    let fds = names.into_iter().zip(machine::fds::inherited(count));
    let open =
        fds.map(|(name, fd)| Ok((name.to_owned(), fd.ok_or_else(|| ListenError::Closed(name.to_owned()))?)));
    Inherited::new(open.collect::<Result<_, ListenError>>()?)
}

impl Inherited {
    pub(crate) fn new(named: Vec<(String, OwnedFd)>) -> Result<Self, ListenError> {
        let mut inherited = Self::default();
        named.into_iter().enumerate().try_for_each(|(place, (name, fd))| inherited.take(&name, place, fd))?;
        Ok(inherited)
    }

    fn take(&mut self, name: &str, place: usize, fd: OwnedFd) -> Result<(), ListenError> {
        let unusable = |source| ListenError::Unusable { name: name.to_owned(), source };
        self.spare.push((name.to_owned(), fd.try_clone().map_err(unusable)?));
        let entrance = match name.split('.').next() {
            Some("http") => Entrance::Http,
            Some("https") => Entrance::Https,
            Some("ticket-seed") => {
                self.ticket_seeds = Some(Seeds::open(fd).map_err(unusable)?);
                return Ok(());
            }
            Some("pulse") => {
                self.pulse = Some(Pulse::from(fd));
                return Ok(());
            }
            _ => return Err(ListenError::Unknown(name.to_owned())),
        };
        self.listeners.push(Listener::tcp(name, place, entrance, fd).map_err(unusable)?);
        Ok(())
    }
}
