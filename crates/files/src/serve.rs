//! The process: one thread that answers, its listener, and its end.

use std::{io, os::fd::OwnedFd, path::PathBuf, pin::pin, rc::Rc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Site, answer::Answers, beneath::Beneath};

/// Bound: from the first byte of a head to its last. The edge sends them in one piece.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// Why nothing is served, or no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the folder `{}` of the release cannot be served", root.display())]
    NoRoot { root: PathBuf, source: io::Error },
    #[error("descriptor 3 is no socket that requests can come by")]
    NoSocket,
    #[error("requests cannot be taken")]
    Accept(#[source] io::Error),
}

/// Until SIGTERM; then what is being sent is sent to its end.
pub(crate) fn serve(site: Site, socket: Option<OwnedFd>) -> Result<(), ServeError> {
    let root = PathBuf::from(&site.files.root);
    let beneath = Beneath::open(&site.release, &site.files.root)
        .map_err(|source| ServeError::NoRoot { root, source })?;
    let answers = Answers::new(&site, beneath);
    let listener = std::net::TcpListener::from(socket.ok_or(ServeError::NoSocket)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ServeError::Accept)?.block_on(async move {
        listener.set_nonblocking(true).map_err(ServeError::Accept)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Accept)?;
        accept(&listener, answers).await
    })
}

async fn accept(listener: &tokio::net::TcpListener, answers: Answers) -> Result<(), ServeError> {
    let mut end = signal(SignalKind::terminate()).map_err(ServeError::Accept)?;
    let open = GracefulShutdown::new();
    let answers = Rc::new(answers);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let stream = tokio::select! {
                    _ = end.recv() => break,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        // Of one connection, or for want of descriptors: others must close first.
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                    },
                };
                let _ = stream.set_nodelay(true);
                let answers = Rc::clone(&answers);
                let service = service_fn(move |request| {
                    let answers = Rc::clone(&answers);
                    async move { answers.answer(request).await }
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
                let connection = open.watch(builder.serve_connection(TokioIo::new(stream), service));
                tokio::task::spawn_local(async move {
                    let _ = pin!(connection).await;
                });
            }
            open.shutdown().await;
        })
        .await;
    Ok(())
}
