//! One GET to an instance, over TCP or a unix socket. Bounded in time and in bytes.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use model::{Address, manifest::ProbeRequest};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::Instant,
};

use super::{ProbeAnswer, ground::Held};

/// Bounds of what is kept of an answer, for a person to read.
const BODY_BYTES: usize = 500;
const HEADERS: usize = 32;
const HEADER_BYTES: usize = 256;

/// What was seen of an answer.
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl ProbeAnswer {
    pub(super) fn passed(&self) -> bool {
        matches!(self, Self::Answered { passed: true, .. })
    }
}

/// Asks once, within the request's timeout. Cancel-safe.
pub(super) async fn get(process: &impl Held, request: &ProbeRequest, host: &str) -> ProbeAnswer {
    let began = Instant::now();
    let host = request.host.as_deref().unwrap_or(host);
    let asked = tokio::time::timeout(request.timeout.0, process.ask(&request.http, host)).await;
    let took = began.elapsed();
    match asked {
        Ok(Ok(Answer { status, headers, body })) => {
            ProbeAnswer::Answered { passed: (200..400).contains(&status), status, headers, body, took }
        }
        Ok(Err(error)) => ProbeAnswer::Failed { error, took },
        Err(_) => ProbeAnswer::Failed { error: timed_out(request.timeout.0), took },
    }
}

fn timed_out(after: Duration) -> String {
    format!("no answer within {}", model::Span(after))
}

pub(super) async fn ask(address: Option<&Address>, path: &str, host: &str) -> Result<Answer, String> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NotFound => "its socket is not there".to_owned(),
        _ => error.to_string(),
    };
    match address {
        None => Err("it has no address to ask at".to_owned()),
        Some(Address::Tcp(address)) => {
            over(TcpStream::connect(address).await.map_err(refused)?, path, host).await
        }
        Some(Address::Unix(socket)) => {
            over(UnixStream::connect(socket).await.map_err(refused)?, path, host).await
        }
    }
}

async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
    host: &str,
) -> Result<Answer, String> {
    let told = |error: hyper::Error| match error.is_incomplete_message() {
        true => "it closed the connection without an answer".to_owned(),
        false => error.to_string(),
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("mainstay-probe/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // Polled beside the exchange and dropped with it: an answer that streams for ever ends here.
    tokio::select! {
        answer = exchange(&mut sender, request) => answer.map_err(told),
        Err(error) = connection => Err(told(error)),
    }
}

async fn exchange(
    sender: &mut hyper::client::conn::http1::SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> hyper::Result<Answer> {
    let response = sender.send_request(request).await?;
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = BODY_BYTES - bytes.len();
            bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
        if bytes.len() >= BODY_BYTES {
            break;
        }
    }
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { status: head.status.as_u16(), headers: kept(&head.headers), body })
}

fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let text =
        |value: &[u8]| String::from_utf8_lossy(value.get(..HEADER_BYTES).unwrap_or(value)).into_owned();
    headers.iter().take(HEADERS).map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}
