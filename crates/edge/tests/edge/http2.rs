//! HTTP/2: a head that is too large costs its own stream, a client that goes on and on its connection.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use super::{
    h2_bytes::*,
    support::*,
    tls::{config, connect_over},
};

type Sender = SendRequest<Empty<Bytes>>;

/// A client, and whether its connection has ended.
async fn client<S>(stream: S) -> (Sender, tokio::task::JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let running = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, running)
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://localhost{path}"))
}

/// A head of about so many bytes, in lines as browsers send them.
fn large(bytes: usize) -> http::request::Builder {
    let line = "x".repeat(1000);
    (0..bytes / 1000).fold(get("/"), |request, n| request.header(format!("x-{n}"), &line))
}

async fn send(
    sender: &mut Sender,
    request: http::request::Builder,
) -> hyper::Result<(http::response::Parts, String)> {
    let answer = sender.send_request(request.body(Empty::new()).unwrap()).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((head, String::from_utf8(body.to_vec()).unwrap()))
}

/// An app that answers `/slow` once it is told to.
pub async fn slow() -> (App, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let app = App::start(move |request| {
        let told = Arc::clone(&told);
        async move {
            if request.uri().path() == "/slow" {
                told.notified().await;
            }
            Response::new(full("ok"))
        }
    })
    .await;
    (app, go)
}

/// Heads over the limit, while another stream waits for its answer.
async fn refuses_the_stream_alone(
    edge: &Edge,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    go: &Notify,
) {
    let (mut sender, _connection) = client(stream).await;
    let mut other = sender.clone();
    let slow = tokio::spawn(async move { send(&mut other, get("/slow")).await });
    edge.until(|status| status.pools[0].active.total() == 1).await;
    let one_line = |bytes: usize| get("/").header("cookie", "x".repeat(bytes));
    let lines = |count: usize| (0..count).fold(get("/"), |request, n| request.header(format!("x-{n}"), "y"));
    let long = |bytes: usize| get(&format!("/{}", "x".repeat(bytes)));
    let cases = [
        (large(30_000), StatusCode::OK, ""),
        (one_line(30_000), StatusCode::OK, ""),
        // The app of this test takes 100 lines, and the edge adds some.
        (lines(80), StatusCode::OK, ""),
        (large(34_000), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"),
        (one_line(34_000), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"),
        (one_line(120_000), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"),
        (large(120_000), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"),
        (large(250_000), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"),
        (lines(150), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"),
        (long(34_000), StatusCode::URI_TOO_LONG, "address-too-long"),
        (get("/"), StatusCode::OK, ""),
    ];
    for (n, (request, wanted, code)) in cases.into_iter().enumerate() {
        let answer = send(&mut sender, request).await;
        let (head, body) = answer.unwrap_or_else(|error| panic!("{n}: {error:?}"));
        assert_eq!(head.status, wanted, "{n}: {body}");
        if wanted.is_success() {
            continue;
        }
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&problem["code"], &problem["request_id"]),
            (&code.into(), &head.headers["x-request-id"].to_str().unwrap().into()),
            "{n}"
        );
        let line = edge.log_with(|line| line["request_id"] == problem["request_id"]).await;
        assert_eq!((&line["status"], &line["protocol"]), (&wanted.as_u16().into(), &"HTTP/2".into()), "{n}");
        assert_eq!((&line["host"], &line["bytes_out"]), (&"localhost".into(), &body.len().into()), "{n}");
    }
    go.notify_one();
    let (head, body) = slow.await.unwrap().unwrap();
    assert_eq!((head.status, &*body), (StatusCode::OK, "ok"), "the stream beside them was harmed");
}

#[tokio::test]
async fn a_head_that_is_too_large_costs_its_own_stream_alone() {
    let (app, go) = slow().await;
    let edge = Edge::start(&live(&[&app])).await;
    refuses_the_stream_alone(&edge, TcpStream::connect(edge.http).await.unwrap(), &go).await;
    let encrypted = connect_over(TcpStream::connect(edge.https).await.unwrap(), &config(&["h2"])).await;
    refuses_the_stream_alone(&edge, encrypted, &go).await;
}

/// The reason of the GOAWAY among `frames`.
fn goaway_reason(frames: &[u8]) -> Option<u32> {
    let mut rest = frames;
    while let [a, b, c, kind, after @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = after.get(5..5 + length)?;
        if *kind == GOAWAY {
            return Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?));
        }
        rest = &after[5 + length..];
    }
    None
}

/// Sends `piece` again and again until the edge has had enough: what it said, and how many it took.
async fn go_on(edge: &Edge, begin: Vec<u8>, piece: Vec<u8>) -> (Vec<u8>, usize) {
    let (mut reads, mut writes) = TcpStream::connect(edge.http).await.unwrap().into_split();
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        let mut is_open = writes.write_all(&begin).await.is_ok();
        while is_open {
            is_open = writes.write_all(&piece).await.is_ok();
            sent += usize::from(is_open);
        }
        sent
    });
    let mut said = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, async {
        let _ = reads.read_to_end(&mut said).await;
        drop(reads);
        sending.await.unwrap()
    });
    let taken = ended.await.expect("the edge takes it for ever");
    (said, taken)
}

#[tokio::test]
async fn a_head_that_never_ends_costs_its_connection() {
    let app = App::named("ok").await;
    // A literal, not indexed, of a new name: 16,000 bytes of value (HPACK 6.2.2; 16000 is 127 and 15873).
    let literal = [&[0, 1, b'x', 0x7f, 0x81, 0x7c][..], &[b'x'; 16_000]].concat();
    // The same, whose value is said to have 2 MiB, of which each frame is a part.
    let huge = [begun_head(), frame(CONTINUATION, 0, 1, &[0, 1, b'x', 0x7f, 0x80, 0x80, 0x80, 1])].concat();
    // One octet that stands for a line which the client has had put into the table before (HPACK 6.1): the smallest head
    // that is large when it is unpacked.
    let kept = [&[0x40, 1, b'x', 0x7f, 0x81, 0x1e][..], &[b'x'; 3968]].concat();
    let packed = [begun_head(), frame(CONTINUATION, 0, 1, &kept)].concat();
    let cases = [
        ("empty frames", begun_head(), frame(CONTINUATION, 0, 1, &[])),
        ("more and more lines", begun_head(), frame(CONTINUATION, 0, 1, &literal)),
        ("a value without an end", huge, frame(CONTINUATION, 0, 1, &[b'x'; 16_000])),
        ("a packed head", packed, frame(CONTINUATION, 0, 1, &[0xbe; 1000])),
    ];
    for (name, begin, piece) in cases {
        let edge = Edge::start(&live(&[&app])).await;
        let (said, taken) = go_on(&edge, begin, piece).await;
        // The socket's own buffers take some after the end.
        assert!(taken < 100_000, "{name}: {taken} were taken");
        if let Some(reason) = goaway_reason(&said) {
            assert_eq!(reason, 11, "{name}: it is told to calm down");
        }
        let line = edge.log_with(|line| line["cause"] == "http2-excess").await;
        assert_eq!((&line["status"], &line["protocol"]), (&444.into(), &"HTTP/2".into()), "{name}");
        edge.until(|status| status.connections == 0).await;
        assert_eq!(edge.get("/").await.0, 200);
    }
}

#[tokio::test]
async fn a_cookie_in_crumbs_reaches_the_app_in_one() {
    let app = App::start(|request| async move {
        let cookies: Vec<_> = request
            .headers()
            .get_all("cookie")
            .iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect();
        Response::new(full(cookies.join("|")))
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let (mut sender, _connection) = client(TcpStream::connect(edge.http).await.unwrap()).await;
    let crumbs = get("/").header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3");
    assert_eq!(send(&mut sender, crumbs).await.unwrap().1, "a=1; b=2; c=3");
    assert_eq!(send(&mut sender, get("/").header("cookie", "a=1")).await.unwrap().1, "a=1");
    // A hundred crumbs are one line of a head.
    let many = (0..150).fold(get("/"), |request, n| request.header("cookie", format!("c{n}=1")));
    assert!(send(&mut sender, many).await.unwrap().1.starts_with("c0=1; c1=1; "));
}
