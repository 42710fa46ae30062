//! One request: send, take the head, and what becomes of the body.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use model::Explain;
use serde::de::DeserializeOwned;

use super::{
    Failure,
    console::{self, Input, Output},
    lines::Lines,
    way::{Line, Way},
};
use crate::{
    console::PROTOCOL,
    request_key::{self, RequestKey},
    version,
};

/// Bound: the longest answer that is read whole.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A keeper that goes away after so long a silence was ended for it.
const HUNG_AFTER: Duration = Duration::from_secs(3);

pub(super) async fn json<T: DeserializeOwned>(
    way: &Way,
    method: &str,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<T, Failure> {
    let what = said(method, path);
    understood(&what, &whole(way, &what, request(method, path), body, limit).await?)
}

/// A POST that is known again by its key.
pub(super) async fn keyed<T: DeserializeOwned>(
    way: &Way,
    path: &str,
    key: &RequestKey,
    body: Bytes,
    limit: Duration,
) -> Result<T, Failure> {
    let what = said("POST", path);
    let request = request("POST", path).header(request_key::HEADER, key.as_str());
    understood(&what, &whole(way, &what, request, body, limit).await?)
}

fn understood<T: DeserializeOwned>(what: &str, bytes: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::Garbled { what: what.to_owned(), cause: error.to_string() })
}

pub(super) async fn nothing(
    way: &Way,
    method: &str,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<(), Failure> {
    whole(way, &said(method, path), request(method, path), body, limit).await.map(drop)
}

/// `limit` holds for the head alone; lines come as long as they come.
pub(super) async fn lines<T: DeserializeOwned>(
    way: &Way,
    method: &str,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<Lines<T>, Failure> {
    let what = said(method, path);
    way.ready().await?;
    let (answer, _) = within(limit, &what, sent(way, &what, request(method, path), body)).await?;
    if answer.status().is_success() {
        return Ok(Lines::new(what, answer.into_body()));
    }
    let status = answer.status();
    let bytes = within(limit, &what, collect(&what, answer)).await?;
    Err(refused(status, &what, &bytes))
}

/// Asks for a conversation instead of an answer; `limit` holds until it begins.
pub(super) async fn attach(
    way: &Way,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<(Input, Output), Failure> {
    let what = said("POST", path);
    way.ready().await?;
    let begun = async {
        let request = request("POST", path)
            .header(http::header::CONNECTION, "upgrade")
            .header(http::header::UPGRADE, PROTOCOL);
        let (answer, _) = sent(way, &what, request, body).await?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            let status = answer.status();
            return Err(refused(status, &what, &collect(&what, answer).await?));
        }
        console::attached(what.clone(), answer).await
    };
    within(limit, &what, begun).await
}

async fn whole(
    way: &Way,
    what: &str,
    request: http::request::Builder,
    body: Bytes,
    limit: Duration,
) -> Result<Bytes, Failure> {
    way.ready().await?;
    let asked = async {
        let (answer, line) = sent(way, what, request, body).await?;
        let status = answer.status();
        let bytes = collect(what, answer).await?;
        way.give_back(line);
        if status.is_success() { Ok(bytes) } else { Err(refused(status, what, &bytes)) }
    };
    within(limit, what, asked).await
}

async fn within<T>(
    limit: Duration,
    what: &str,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let began = tokio::time::Instant::now();
    match tokio::time::timeout(limit, asked).await {
        Ok(Err(Failure::Lost { what, .. })) if began.elapsed() >= HUNG_AFTER => {
            Err(Failure::Hung { what, after: began.elapsed() })
        }
        Ok(answered) => answered,
        Err(_) => Err(Failure::Silent { what: what.to_owned(), within: limit }),
    }
}

fn request(method: &str, path: &str) -> http::request::Builder {
    let kind = if method == "PUT" { "application/octet-stream" } else { "application/json" };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET))
        .uri(path)
        .header(http::header::HOST, "mainstay")
        .header(http::header::CONTENT_TYPE, kind)
        .header(version::HEADER, crate::VERSION)
}

async fn sent(
    way: &Way,
    what: &str,
    request: http::request::Builder,
    body: Bytes,
) -> Result<(Response<Incoming>, Line), Failure> {
    let request = request
        .body(Full::new(body))
        .map_err(|error| Failure::Garbled { what: what.to_owned(), cause: error.to_string() })?;
    way.ask(what, request).await
}

/// A POST with JSON, as it goes over a connection.
pub(super) fn post(path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    request("POST", path)
        .body(Full::new(body))
        .map_err(|error| Failure::Garbled { what: path.to_owned(), cause: error.to_string() })
}

/// # Errors
/// A refusal; an answer that breaks off.
pub(super) async fn expect_nothing(what: &str, answer: Response<Incoming>) -> Result<(), Failure> {
    let status = answer.status();
    let bytes = collect(what, answer).await?;
    if status.is_success() { Ok(()) } else { Err(refused(status, what, &bytes)) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_keeper_that_goes_away_after_a_long_silence_hung_and_one_that_just_goes_did_not() {
        let lost = async |after: u64| {
            tokio::time::sleep(Duration::from_secs(after)).await;
            Err::<(), _>(Failure::Lost { what: "GET /v1/apps".to_owned(), cause: "it broke".to_owned() })
        };
        let told = async |after| {
            let failure =
                within(Duration::from_secs(30), "GET /v1/apps", lost(after)).await.expect_err("lost");
            (failure.is_gone(), failure.explain().code)
        };
        assert_eq!(told(17).await, (true, "keeper-hung".to_owned()));
        assert_eq!(told(1).await, (true, "connection-lost".to_owned()));
        assert_eq!(told(31).await, (false, "no-answer".to_owned()));
    }
}
