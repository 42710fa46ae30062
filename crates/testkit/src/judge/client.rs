//! One keep-alive connection to the edge, and what went wrong with it by class.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{Target, tally::Failure, tls};

/// Class and words of what went wrong.
pub(super) type Wrong = (Failure, String);

/// A plain or a TLS connection.
pub(super) type Stream = Box<dyn ReadWrite>;

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ReadWrite for T {}

/// A client that connects when it must and keeps its connection while the edge does.
pub(super) struct Client {
    target: Target,
    tls: bool,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Client `n` of its kind: every second one speaks TLS, where the target does.
    pub(super) fn new(target: &Target, n: usize) -> Self {
        Self { target: target.clone(), tls: n % 2 == 1, connection: None }
    }

    /// The head of the answer. The connection is good for the next request once the body was read to its end.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Wrong> {
        let patience = self.target.patience;
        let mut connection = self.take_connection().await?;
        let answer = tokio::time::timeout(patience, connection.send_request(request)).await;
        match answer {
            Err(_) => Err((Failure::Timeout, format!("no answer in {patience:?}"))),
            Ok(Err(error)) => Err(classify(&error)),
            Ok(Ok(response)) => {
                self.connection = Some(connection);
                Ok(response)
            }
        }
    }

    /// Sends and reads to the end; says how long the head took.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Bytes, Duration), Wrong> {
        let began = Instant::now();
        let (parts, body) = self.send(request).await?.into_parts();
        let took = began.elapsed();
        let whole = tokio::time::timeout(self.target.patience, body.collect()).await;
        match whole {
            Ok(Ok(body)) => Ok((parts, body.to_bytes(), took)),
            Ok(Err(error)) => {
                self.hang_up();
                Err((Failure::ShortBody, chain(&error)))
            }
            Err(_) => {
                self.hang_up();
                Err((Failure::Timeout, "the body did not end".into()))
            }
        }
    }

    /// Sends and goes away without reading, as a person does who closes the tab.
    pub(super) async fn abort(
        &mut self,
        request: Request<Full<Bytes>>,
        after: Duration,
    ) -> Result<(), Wrong> {
        let mut connection = self.take_connection().await?;
        let _ = tokio::time::timeout(after, connection.send_request(request)).await;
        Ok(())
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    async fn take_connection(&mut self) -> Result<http1::SendRequest<Full<Bytes>>, Wrong> {
        // A connection that the edge closed between two requests is replaced, as every client does. One that is closed
        // while the request is on its way is a failure.
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let stream = connect(&self.target, self.tls).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| classify(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A connection to the target, over TLS if it is wanted and the target has it.
pub(super) async fn connect(target: &Target, tls: bool) -> Result<Stream, Wrong> {
    let tls = target.tls.filter(|_| tls);
    let connecting = TcpStream::connect(tls.unwrap_or(target.address));
    let stream = match tokio::time::timeout(target.patience, connecting).await {
        Err(_) => return Err((Failure::Timeout, "no connection".into())),
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err((Failure::Refused, error.to_string()));
        }
        Ok(Err(error)) => return Err((Failure::Reset, error.to_string())),
    };
    if tls.is_none() {
        return Ok(Box::new(stream));
    }
    let name =
        ServerName::try_from(target.host.clone()).map_err(|error| (Failure::Reset, error.to_string()))?;
    match tokio::time::timeout(target.patience, tls::connector().connect(name, stream)).await {
        Err(_) => Err((Failure::Timeout, "no TLS handshake".into())),
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err((Failure::Reset, format!("TLS: {error}"))),
    }
}

fn classify(error: &hyper::Error) -> Wrong {
    (Failure::Reset, chain(error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        words = format!("{words}: {source}");
        next = source.source();
    }
    words
}
