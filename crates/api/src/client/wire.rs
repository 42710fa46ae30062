//! One request over the socket: connect, send, take the head, and what becomes of the body.

use std::{future::Future, io, path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use model::Explain;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{
    Failure,
    console::{self, Input, Output},
    lines::Lines,
};
use crate::{
    console::PROTOCOL,
    not_starting::{NotStarting, beside},
    request_key::{self, RequestKey},
};

/// Bound: the longest answer that is read whole.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// A keeper that restarts is back within this; its socket's file is there all the time.
const RESTART: Duration = Duration::from_secs(4);
const RETRY_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn json<T: DeserializeOwned>(
    socket: &Path,
    method: &str,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<T, Failure> {
    let what = said(method, path);
    understood(&what, &whole(socket, &what, request(method, path), body, limit).await?)
}

/// A POST that is known again by its key.
pub(super) async fn keyed<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    key: &RequestKey,
    body: Bytes,
    limit: Duration,
) -> Result<T, Failure> {
    let what = said("POST", path);
    let request = request("POST", path).header(request_key::HEADER, key.as_str());
    understood(&what, &whole(socket, &what, request, body, limit).await?)
}

fn understood<T: DeserializeOwned>(what: &str, bytes: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::Garbled { what: what.to_owned(), cause: error.to_string() })
}

pub(super) async fn nothing(
    socket: &Path,
    method: &str,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<(), Failure> {
    whole(socket, &said(method, path), request(method, path), body, limit).await.map(drop)
}

/// `limit` holds for the head alone; lines come as long as they come.
pub(super) async fn lines<T: DeserializeOwned>(
    socket: &Path,
    method: &str,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<Lines<T>, Failure> {
    let what = said(method, path);
    let answer = within(limit, &what, sent(socket, &what, request(method, path), body)).await?;
    if answer.status().is_success() {
        return Ok(Lines::new(what, answer.into_body()));
    }
    let status = answer.status();
    let bytes = within(limit, &what, collect(&what, answer)).await?;
    Err(refused(status, &what, &bytes))
}

/// Asks for a conversation instead of an answer; `limit` holds until it begins.
pub(super) async fn attach(
    socket: &Path,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<(Input, Output), Failure> {
    let what = said("POST", path);
    let begun = async {
        let request = request("POST", path)
            .header(http::header::CONNECTION, "upgrade")
            .header(http::header::UPGRADE, PROTOCOL);
        let answer = sent(socket, &what, request, body).await?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            let status = answer.status();
            return Err(refused(status, &what, &collect(&what, answer).await?));
        }
        console::attached(what.clone(), answer).await
    };
    within(limit, &what, begun).await
}

async fn whole(
    socket: &Path,
    what: &str,
    request: http::request::Builder,
    body: Bytes,
    limit: Duration,
) -> Result<Bytes, Failure> {
    let asked = async {
        let answer = sent(socket, what, request, body).await?;
        let status = answer.status();
        let bytes = collect(what, answer).await?;
        if status.is_success() { Ok(bytes) } else { Err(refused(status, what, &bytes)) }
    };
    within(limit, what, asked).await
}

async fn within<T>(
    limit: Duration,
    what: &str,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let silent = || Failure::Silent { what: what.to_owned(), within: limit };
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(silent()))
}

fn request(method: &str, path: &str) -> http::request::Builder {
    let kind = if method == "PUT" { "application/octet-stream" } else { "application/json" };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET))
        .uri(path)
        .header(http::header::HOST, "mainstay")
        .header(http::header::CONTENT_TYPE, kind)
}

async fn sent(
    socket: &Path,
    what: &str,
    request: http::request::Builder,
    body: Bytes,
) -> Result<Response<Incoming>, Failure> {
    let lost =
        |error: &dyn std::fmt::Display| Failure::Lost { what: what.to_owned(), cause: error.to_string() };
    let stream = connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
    // Ends with the connection, which ends when the answer was read or dropped, or became something else.
    tokio::spawn(connection.with_upgrades());
    let request = request
        .body(Full::new(body))
        .map_err(|error| Failure::Garbled { what: what.to_owned(), cause: error.to_string() })?;
    sender.send_request(request).await.map_err(|error| lost(&error))
}

/// A socket that is there and refuses belongs to a keeper that is being restarted, or to one that is gone for good:
/// only time tells. Nothing was sent yet, so waiting is free.
async fn connect(socket: &Path) -> Result<UnixStream, Failure> {
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

async fn collect(what: &str, answer: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    body.map(|body| body.to_bytes())
        .map_err(|error| Failure::Lost { what: what.to_owned(), cause: error.to_string() })
}

fn refused(status: StatusCode, what: &str, bytes: &Bytes) -> Failure {
    let explain = serde_json::from_slice(bytes).unwrap_or_else(|_| {
        Explain::new("refused", format!("Mainstay refused {what} with status {}", status.as_u16())).help(
            "client and keeper may be of versions too far apart: compare `mainstay version` on both sides",
        )
    });
    Failure::Refused { status: status.as_u16(), explain: Box::new(explain) }
}

/// The request in a message, without its query.
fn said(method: &str, path: &str) -> String {
    format!("{method} {}", path.split('?').next().unwrap_or(path))
}
