//! How a keeper is reached: by its socket on this machine, or by `ssh` on another; and one connection to it.

use std::{io, path::Path, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
};

use super::{
    Failure,
    ssh::{Remote, Session},
};
use crate::not_starting::{NotStarting, beside};

/// A keeper that restarts is back within this; its socket's file is there all the time.
const RESTART: Duration = Duration::from_secs(4);
const RETRY_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone, Debug)]
pub(super) enum Way {
    Socket(PathBuf),
    Ssh(Arc<Remote>),
}

/// One connection, free for a request.
#[derive(Debug)]
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// The `ssh` that carries it.
    session: Option<Session>,
}

impl Way {
    async fn line(&self) -> Result<Line, Failure> {
        match self {
            Self::Socket(path) => Line::over(connect(path).await?, None).await,
            Self::Ssh(remote) => remote.line().await,
        }
    }

    /// Makes a connection where that takes longer than an answer may: a person may be asked for a passphrase.
    ///
    /// # Errors
    /// No keeper was reached.
    pub(super) async fn ready(&self) -> Result<(), Failure> {
        if let Self::Ssh(remote) = self {
            let line = remote.line().await?;
            remote.keep(line);
        }
        Ok(())
    }

    /// The head of the answer, and the line that its body comes over.
    ///
    /// # Errors
    /// No keeper was reached, and nothing was asked; or the connection broke, and what was asked may have been done.
    pub(super) async fn ask(
        &self,
        what: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Line), Failure> {
        let mut line = self.line().await?;
        let mut broken = match line.sender.try_send_request(request).await {
            Ok(answer) => return Ok((answer, line)),
            Err(broken) => broken,
        };
        match (self, broken.take_message()) {
            // It had ended while nobody used it, and nothing of the request was sent: another one, once.
            (Self::Ssh(_), Some(unsent)) => {
                let mut line = self.line().await?;
                match line.sender.send_request(unsent).await {
                    Ok(answer) => Ok((answer, line)),
                    Err(error) => Err(line.lost(what, &error).await),
                }
            }
            _ => Err(line.lost(what, &broken.into_error()).await),
        }
    }

    /// Takes a line back whose answer was read to its end. Only where a new one is dear it is kept.
    pub(super) fn give_back(&self, line: Line) {
        if let Self::Ssh(remote) = self {
            remote.keep(line);
        }
    }
}

impl Line {
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        session: Option<Session>,
    ) -> Result<Self, Failure> {
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken
            .map_err(|error| Failure::Lost { what: "a connection".to_owned(), cause: error.to_string() })?;
        // Ends with the connection, which ends when nobody has its sender or a body of it, or became something else.
        tokio::spawn(connection.with_upgrades());
        Ok(Self { sender, session })
    }

    /// Whether it can carry another request, as far as is known here. Waits for the end of what it carried.
    pub(super) async fn is_free(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    async fn lost(self, what: &str, error: &hyper::Error) -> Failure {
        let said = match self.session {
            Some(session) => session.last_words().await,
            None => String::new(),
        };
        let cause = if said.is_empty() { error.to_string() } else { format!("{error}; ssh says: {said}") };
        Failure::Lost { what: what.to_owned(), cause }
    }
}

/// A socket that is there and refuses belongs to a keeper that is being restarted, or to one that is gone for good:
/// only time tells. Nothing was sent yet, so waiting is free.
pub(super) async fn connect(socket: &Path) -> Result<UnixStream, Failure> {
    let until = tokio::time::Instant::now() + RESTART;
    loop {
        let source = match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(source) => source,
        };
        if let Some(failure) = not_starting(socket) {
            return Err(failure);
        }
        if source.kind() != io::ErrorKind::ConnectionRefused || tokio::time::Instant::now() >= until {
            return Err(Failure::NoKeeper { socket: socket.to_owned(), source });
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// What the last keeper said, if it could not start and the next one will be tried.
fn not_starting(socket: &Path) -> Option<Failure> {
    let told = NotStarting::read(&std::fs::read(beside(socket)).ok()?)?;
    let asked = std::os::unix::net::UnixDatagram::unbound().and_then(|own| own.connect(&told.front));
    let gone =
        |error: io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    // One that may not be connected to is there.
    let tried_again = !asked.is_err_and(gone);
    tried_again.then(|| Failure::NotStarting { explain: Box::new(told.explain) })
}
