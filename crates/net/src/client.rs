//! The HTTP client for short calls: to a unix socket or an address, one connection a call, all of it bounded.

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Where a call goes.
#[derive(Clone, Debug)]
pub enum Target {
    Unix(PathBuf),
    Tcp(SocketAddr),
    /// A name that is looked up, or an address, at each call; encrypted where `tls` says how ([`crate::tls::client_config`]).
    Host {
        host: String,
        port: u16,
        tls: Option<Arc<ClientConfig>>,
    },
}

/// One request and its bounds.
#[derive(Clone, Debug)]
pub struct Call {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    pub(crate) connect: Duration,
    pub(crate) total: Duration,
    answer_max: usize,
    cut_answer: bool,
    enough: Option<fn(&[u8]) -> bool>,
}

impl Call {
    /// `path` begins with `/` and may hold a query. Bounds: connect 2 s, total 10 s, answer 1 MiB.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            connect: Duration::from_secs(2),
            total: Duration::from_secs(10),
            answer_max: 1 << 20,
            cut_answer: false,
            enough: None,
        }
    }

    /// `Host` is `localhost` unless said here.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// To have a connection.
    #[must_use]
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// From the start to the answer's last byte.
    #[must_use]
    pub fn total(mut self, limit: Duration) -> Self {
        self.total = limit;
        self
    }

    /// Bytes of the answer's body; more is [`Failure::TooLarge`].
    #[must_use]
    pub fn answer_max(mut self, bytes: usize) -> Self {
        self.answer_max = bytes;
        self
    }

    /// Takes this many bytes of the answer's body and leaves the rest, without an error.
    #[must_use]
    pub fn cut_answer_at(mut self, bytes: usize) -> Self {
        self.answer_max = bytes;
        self.cut_answer = true;
        self
    }

    /// Takes the answer's body until `enough` says so of what has come, and leaves the rest: for streams.
    #[must_use]
    pub fn cut_answer_when(mut self, enough: fn(&[u8]) -> bool) -> Self {
        self.enough = Some(enough);
        self
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    #[error("no encrypted connection: {}", of_tls(.0))]
    Tls(#[source] io::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the request is not valid: {0}")]
    Request(#[source] http::Error),
    #[error("the connection broke: {}", root(.0))]
    Broken(#[source] hyper::Error),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

fn of_tls(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| error.to_string(), crate::tls::refused)
}

/// hyper's own words are general ("connection error"); the innermost cause is what helps.
fn root(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Sends `call` and reads its whole answer.
///
/// Cancel-safe: dropping it closes the connection; the other side may have acted.
pub async fn send(target: &Target, call: Call) -> Result<Response<Bytes>, Failure> {
    let total = call.total;
    timeout(total, exchange(target, call)).await.map_err(|_| Failure::Timeout(total))?
}

async fn exchange(target: &Target, call: Call) -> Result<Response<Bytes>, Failure> {
    let late = |_| Failure::ConnectTimeout(call.connect);
    match target {
        Target::Unix(path) => {
            let stream = timeout(call.connect, UnixStream::connect(path)).await.map_err(late)?;
            over(stream.map_err(Failure::Connect)?, call).await
        }
        Target::Tcp(address) => {
            let stream = timeout(call.connect, TcpStream::connect(address)).await.map_err(late)?;
            over(stream.map_err(Failure::Connect)?, call).await
        }
        Target::Host { host, port, tls } => {
            // Looking the name up is part of connecting: a resolver may be slow, too.
            let stream =
                timeout(call.connect, TcpStream::connect((host.as_str(), *port))).await.map_err(late)?;
            let stream = stream.map_err(Failure::Connect)?;
            match tls {
                None => over(stream, call).await,
                Some(tls) => {
                    let name = ServerName::try_from(host.clone())
                        .map_err(|error| Failure::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                    let shaken = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
                    let stream = timeout(call.connect, shaken).await.map_err(late)?;
                    over(stream.map_err(Failure::Tls)?, call).await
                }
            }
        }
    }
}

pub(crate) async fn over<S>(stream: S, call: Call) -> Result<Response<Bytes>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (mut sender, connection) =
        http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(Failure::Broken)?;
    let (max, cut, enough) = (call.answer_max, call.cut_answer, call.enough);
    let request = request(call).map_err(Failure::Request)?;
    let talk = async {
        let answer = sender.send_request(request).await.map_err(Failure::Broken)?;
        read(answer, max, cut, enough).await
    };
    // The connection is driven beside the exchange, in the same task: it ends with the call, whatever happens.
    tokio::pin!(connection);
    tokio::pin!(talk);
    tokio::select! {
        biased;
        done = &mut talk => return done,
        _ = &mut connection => {}
    }
    // The other side closed after its answer; what was read before is still to be taken.
    talk.await
}

fn request(call: Call) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request =
        Request::builder().method(call.method.as_str()).uri(call.path).body(Full::new(call.body))?;
    *request.headers_mut() = call.headers;
    request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
    Ok(request)
}

async fn read(
    answer: Response<hyper::body::Incoming>,
    max: usize,
    cut: bool,
    enough: Option<fn(&[u8]) -> bool>,
) -> Result<Response<Bytes>, Failure> {
    let (head, mut body) = answer.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Failure::Broken)?.into_data() else { continue };
        let room = max - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            if cut {
                break;
            }
            return Err(Failure::TooLarge(max));
        }
        if enough.is_some_and(|enough| enough(&bytes)) {
            break;
        }
    }
    Ok(Response::from_parts(head, bytes.freeze()))
}
