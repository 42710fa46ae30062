//! The socket itself: bound under another name, given its rights, then renamed, so that what exists always answers.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, rt::TokioTimer, service::TowerToHyperService};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    connection::Connection,
    operations::{Operations, StationOperations},
    operator::Operator,
    routes, station,
};

/// Slow writers of a request head are cut after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bound: connections at once; further ones wait in the listen queue.
const CONNECTIONS_MAX: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot bind the API socket {path}")]
    Bind { path: PathBuf, source: std::io::Error },
    #[error("cannot give the API socket {path} to its group")]
    Rights { path: PathBuf, source: std::io::Error },
}

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Whoever has the socket's group, if there is one.
    Group(Option<u32>),
    /// This uid alone, whose the socket becomes.
    Only(u32),
}

impl Peers {
    /// By the kernel's word: a mode alone would not hold back who had the socket's folder open before.
    fn include(self, uid: u32) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Only(only) => uid == only,
        }
    }
}

/// The bound API. `serve` runs until the future is dropped.
pub struct Server {
    listener: UnixListener,
    peers: Peers,
}

impl Server {
    /// Binds `path` with the rights that `peers` need.
    pub fn bind(path: &Path, peers: Peers) -> Result<Self, ServeError> {
        let bind = |source| ServeError::Bind { path: path.to_owned(), source };
        let fresh = path.with_extension("new");
        match std::fs::remove_file(&fresh) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(bind(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh).map_err(bind)?;
        let rights = |source| ServeError::Rights { path: path.to_owned(), source };
        let (mode, uid, gid) = match peers {
            Peers::Group(gid) => (0o660, None, gid),
            Peers::Only(uid) => (0o600, Some(uid), None),
        };
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(mode)).map_err(rights)?;
        if uid.is_some() || gid.is_some() {
            std::os::unix::fs::chown(&fresh, uid, gid).map_err(rights)?;
        }
        // Crash: between bind and rename the old name, if any, refuses connections; a client asks again.
        std::fs::rename(&fresh, path).map_err(bind)?;
        Ok(Self { listener, peers })
    }

    pub async fn serve<O: Operations>(self, operations: Arc<O>) {
        self.answer(routes::router(operations)).await;
    }

    /// The station's socket.
    pub async fn serve_station<O: StationOperations>(self, operations: Arc<O>) {
        self.answer(station::router(operations)).await;
    }

    async fn answer(self, router: Router) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let router = router.clone();
                    // Shared with what a connection becomes, so that those are counted too.
                    tokio::spawn(connection(stream, router, self.peers, Place(Arc::new(place))));
                }
                Err(error) => {
                    // Out of descriptors or memory: both pass. Without a pause this loop would burn a core.
                    tracing::warn!(%error, "The admin API could not accept a connection.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// One of the connections that may be at once, held by everybody who works for it.
#[derive(Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

async fn connection(stream: UnixStream, router: Router, peers: Peers, place: Place) {
    let operator = match Operator::of(&stream) {
        Ok(operator) => operator,
        Err(error) => {
            tracing::warn!(%error, "A connection to the admin API has no known peer; it is closed.");
            return;
        }
    };
    if !peers.include(operator.uid) {
        tracing::warn!(peer = operator.name, "A connection to a socket that is another's; it is closed.");
        return;
    }
    let whose = Arc::new(Connection::of(operator));
    let service = TowerToHyperService::new(router.layer(Extension(whose)).layer(Extension(place)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "A connection to the admin API ended early.");
    }
}
