//! A keeper whose parent died goes on serving; the next `mainstay up` asks it for its descriptors here, and it makes
//! room for a keeper that has a parent again.

use std::{
    os::{
        fd::AsFd as _,
        unix::{fs::PermissionsExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use model::Explain;
use supervisor::Inherited;
use tokio::{net::UnixListener, sync::mpsc};

/// Bound: how long the asking side may take.
const LIMIT: Duration = Duration::from_secs(10);

fn socket(run: &Path) -> PathBuf {
    run.join("handover.sock")
}

/// Tells when the descriptors have been given away.
pub(crate) struct Handing {
    given: mpsc::Receiver<()>,
}

impl Handing {
    pub(crate) async fn done(&mut self) {
        if self.given.recv().await.is_none() {
            // The task is gone; nobody will take over any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Offers the descriptors to the keeper's own user.
/// # Errors
/// The socket cannot be bound.
pub(crate) fn offer(run: &Path, fds: Vec<Inherited>) -> Result<Handing, Explain> {
    let path = socket(run);
    let failed = |error: std::io::Error| {
        Explain::new("handover-not-bound", format!("cannot bind {}", path.display())).because(&error)
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let (tell, given) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let fds = fds.clone();
            let sent = tokio::task::spawn_blocking(move || send(stream, &fds)).await;
            match sent {
                Ok(Ok(())) => {
                    // The receiver is the keeper's main loop; it ends with it.
                    let _ = tell.send(()).await;
                    return;
                }
                Ok(Err(error)) => tracing::warn!(%error, "The descriptors could not be handed over."),
                Err(error) => tracing::warn!(%error, "Handing over the descriptors failed."),
            }
        }
    });
    Ok(Handing { given })
}

fn send(stream: tokio::net::UnixStream, fds: &[Inherited]) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if uid != rustix::process::geteuid().as_raw() {
        return Err(std::io::Error::other(format!("uid {uid} asked, which is not the keeper's")));
    }
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(LIMIT))?;
    machine::failpoint::hit("handover");
    let named: Vec<_> = fds.iter().map(|inherited| (inherited.name.clone(), inherited.fd.as_fd())).collect();
    machine::fds::send_named(&stream, &named)
}

/// Asks a keeper for its descriptors; it ends when it has given them. `None`: no keeper answers.
pub(crate) fn take_over(run: &Path) -> std::io::Result<Option<Vec<(String, std::os::fd::OwnedFd)>>> {
    ask(&socket(run))
}

/// Asks whoever listens on the socket for its descriptors. `None`: nobody does.
pub(crate) fn ask(socket: &Path) -> std::io::Result<Option<Vec<(String, std::os::fd::OwnedFd)>>> {
    let stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(LIMIT))?;
    machine::fds::receive_named(&stream).map(Some)
}
