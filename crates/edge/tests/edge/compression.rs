//! Answers that are compressed on their way (EDGE-14, EDGE-19): what comes out is what went in, and what must not be
//! touched is not.

use std::{io::Read, time::Duration};

use bytes::Bytes;
use edge::table::Table;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::manifest::{Compress, Encoding};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{streams::streaming, support::*};

fn compressing(app: &App) -> Table {
    let mut table = live(&[app]);
    table.sites[0].routes[0].route.compress = Some(Compress::default());
    table
}

/// What nobody could mistake for something else, and compresses well.
fn text(bytes: usize) -> String {
    (0..)
        .map(|n: u64| format!("line {n}, once more\n"))
        .flat_map(|line| line.into_bytes())
        .take(bytes)
        .map(char::from)
        .collect()
}

/// An app whose answer has the headers that the request's query names: `/SIZE?name=value&…`; a path below `/chunked` has no
/// length.
async fn told() -> App {
    App::start(|request| async move {
        let uri = request.uri();
        let size: usize = uri.path().rsplit('/').next().and_then(|size| size.parse().ok()).unwrap_or(0);
        let mut answer = Response::builder();
        for pair in uri.query().unwrap_or("content-type=text/html").split('&') {
            let (name, value) = pair.split_once('=').unwrap();
            answer = match name {
                "status" => answer.status(value.parse::<u16>().unwrap()),
                name => answer.header(name, value.replace("%20", " ").replace("%22", "\"")),
            };
        }
        let body = match uri.path().starts_with("/chunked") {
            true => {
                let chunks =
                    text(size).into_bytes().chunks(1000).map(Bytes::copy_from_slice).collect::<Vec<_>>();
                let frames = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(chunk)));
                BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::iter(frames)))
            }
            false => full(text(size)),
        };
        answer.body(body).unwrap()
    })
    .await
}

/// Head and body of one answer; the body without its chunks' frames.
async fn ask(edge: &Edge, method: &str, path: &str, lines: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    let asked = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end + 4].to_vec()).unwrap();
    let body = bytes.split_off(end + 4);
    let body = if header(&head, "transfer-encoding").is_some() { whole_of_chunks(&body) } else { body };
    (head, body)
}

/// Panics where the last chunk is missing.
fn whole_of_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's head");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

fn decoded(encoding: Option<&str>, bytes: &[u8]) -> String {
    let mut text = String::new();
    match encoding {
        Some("br") => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text).unwrap(),
        Some("zstd") => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_string(&mut text).unwrap(),
        Some("gzip") => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap(),
        other => panic!("{other:?} is no encoding of ours"),
    };
    text
}

#[tokio::test]
async fn what_comes_out_is_what_went_in() {
    let app = told().await;
    let edge = Edge::start(&compressing(&app)).await;
    for encoding in ["br", "zstd", "gzip"] {
        for path in ["/1024", "/chunked/1", "/chunked/70000", "/3000000", "/chunked/3000000"] {
            let asked = format!(
                "{path}?content-type=text/html;%20charset=utf-8&etag=%22one%22&accept-ranges=bytes&vary=Cookie"
            );
            let (head, body) = ask(&edge, "GET", &asked, &format!("Accept-Encoding: {encoding}\r\n")).await;
            assert_eq!(header(&head, "content-encoding"), Some(encoding), "{head}");
            assert_eq!(header(&head, "etag"), Some("W/\"one\""), "{head}");
            assert_eq!(header(&head, "content-type"), Some("text/html; charset=utf-8"));
            for gone in ["content-length", "accept-ranges"] {
                assert_eq!(header(&head, gone), None, "{head}");
            }
            let vary = head.lines().filter(|line| line.to_lowercase().starts_with("vary: "));
            assert_eq!(vary.collect::<Vec<_>>(), ["vary: Cookie", "vary: Accept-Encoding"], "{head}");
            let size: usize = path.rsplit('/').next().unwrap().parse().unwrap();
            assert!(decoded(Some(encoding), &body) == text(size), "{encoding} {path}");
            assert!(size < 10_000 || body.len() < size / 4, "{encoding} {path}: {} bytes", body.len());
        }
    }
}

#[tokio::test]
async fn what_the_client_got_is_what_the_log_counts() {
    let app = told().await;
    let edge = Edge::start(&compressing(&app)).await;
    let (_, body) = ask(&edge, "GET", "/100000", "Accept-Encoding: gzip\r\n").await;
    let line = edge.log_with(|line| line["path"] == "/100000").await;
    assert_eq!(line["bytes_out"], body.len());
}

#[tokio::test]
async fn the_routes_order_decides_among_what_a_client_likes_alike() {
    let app = told().await;
    let mut table = compressing(&app);
    let ours = vec![Encoding::Gzip, Encoding::Br];
    table.sites[0].routes[0].route.compress = Some(Compress { encodings: ours, ..Compress::default() });
    let edge = Edge::start(&table).await;
    for (accepted, wanted) in
        [("br, gzip, zstd", Some("gzip")), ("br, gzip;q=0.9", Some("br")), ("zstd", None), ("identity", None)]
    {
        let (head, body) = ask(&edge, "GET", "/5000", &format!("Accept-Encoding: {accepted}\r\n")).await;
        assert_eq!(header(&head, "content-encoding"), wanted, "{accepted}");
        assert!(wanted.is_some() || body == text(5000).into_bytes());
    }
}

#[tokio::test]
async fn what_must_not_be_touched_is_not() {
    let app = told().await;
    let edge = Edge::start(&compressing(&app)).await;
    let gzip = "Accept-Encoding: gzip\r\n";
    for (path, lines, varies) in [
        // Who takes none gets it as it is, and caches are told that others do not.
        ("/5000?content-type=text/html&etag=%22a%22", "", true),
        ("/5000?content-type=text/html&etag=%22a%22", "Accept-Encoding: gzip;q=0\r\n", true),
        ("/1023?content-type=text/html&etag=%22a%22", gzip, false),
        ("/5000?content-type=image/png&etag=%22a%22", gzip, false),
        ("/5000?etag=%22a%22", gzip, false),
        ("/5000?content-type=text/event-stream&etag=%22a%22", gzip, false),
        ("/5000?content-type=text/html&content-encoding=br&etag=%22a%22", gzip, false),
        ("/5000?content-type=text/html&cache-control=public,%20No-Transform&etag=%22a%22", gzip, false),
        ("/5000?content-type=text/html&content-digest=x&etag=%22a%22", gzip, false),
        (
            "/5000?content-type=text/html&status=206&content-range=bytes%200-4999/9000&etag=%22a%22",
            gzip,
            false,
        ),
        ("/5000?content-type=text/html&etag=%22a%22", "Accept-Encoding: gzip\r\nRange: bytes=0-\r\n", false),
        (
            "/5000?content-type=text/html&etag=%22a%22",
            "Accept-Encoding: gzip\r\nCache-Control: no-transform\r\n",
            false,
        ),
    ] {
        let (head, body) = ask(&edge, "GET", path, lines).await;
        let size: usize = path[1..5].parse().unwrap();
        assert!(body == text(size).into_bytes(), "{path} {lines:?}: {head}");
        assert_eq!(header(&head, "content-length"), Some(size.to_string().as_str()), "{path} {lines:?}");
        assert_eq!(header(&head, "etag"), Some("\"a\""), "{path} {lines:?}");
        assert_eq!(header(&head, "vary").is_some(), varies, "{path} {lines:?}: {head}");
    }
    assert_eq!(edge.client.status().await.unwrap().pools[0].active.total(), 0);
}

#[tokio::test]
async fn answers_without_a_body_say_what_one_with_it_would() {
    let app = told().await;
    let edge = Edge::start(&compressing(&app)).await;
    let path = "/5000?content-type=text/html&etag=%22a%22";
    let (head, body) = ask(&edge, "HEAD", path, "Accept-Encoding: br\r\n").await;
    assert_eq!((status(&head), body.len()), (200, 0));
    assert_eq!((header(&head, "content-encoding"), header(&head, "etag")), (Some("br"), Some("W/\"a\"")));
    assert_eq!((header(&head, "content-length"), header(&head, "vary")), (None, Some("Accept-Encoding")));
    let (head, body) = ask(&edge, "GET", "/0?status=304&etag=%22a%22", "Accept-Encoding: br\r\n").await;
    assert_eq!((status(&head), body.len()), (304, 0));
    assert_eq!((header(&head, "etag"), header(&head, "vary")), (Some("W/\"a\""), Some("Accept-Encoding")));
    assert_eq!(header(&head, "content-encoding"), None, "{head}");
    let (head, body) = ask(&edge, "GET", "/0?status=204", "Accept-Encoding: br\r\n").await;
    assert_eq!((status(&head), body.len()), (204, 0));
    assert_eq!((header(&head, "content-encoding"), header(&head, "vary")), (None, None), "{head}");
}

#[tokio::test]
async fn each_piece_arrives_when_it_is_said() {
    for encoding in ["br", "zstd", "gzip"] {
        let (app, say) = streaming("application/json").await;
        let edge = Edge::start(&compressing(&app)).await;
        let mut stream = TcpStream::connect(edge.http).await.unwrap();
        let asked = format!("GET /events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        for words in ["{\"one\": 1}", "{\"two\": 2}", "{\"three\": 3}"] {
            // The next one is said only after this one was read, so what an encoder kept would hang here.
            say.send(words).unwrap();
            let read = async {
                while !readable(encoding, &bytes).ends_with(words) {
                    assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it ended");
                }
            };
            tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{words} is held back"));
        }
        drop(say);
        tokio::time::timeout(PATIENCE, async {
            while !bytes.ends_with(b"\r\n0\r\n\r\n") {
                assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it ended without its last chunk");
            }
        })
        .await
        .unwrap();
    }
}

/// As much of the answer's text as the chunks so far make readable.
fn readable(encoding: &str, bytes: &[u8]) -> String {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return String::new() };
    let mut closed = bytes[end + 4..].to_vec();
    closed.extend_from_slice(b"0\r\n\r\n");
    let Ok(body) = std::panic::catch_unwind(|| whole_of_chunks(&closed)) else { return String::new() };
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    let mut reader: Box<dyn Read> = match encoding {
        "br" => Box::new(brotli::Decompressor::new(&body[..], 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(&body[..]).unwrap()),
        _ => Box::new(flate2::read::GzDecoder::new(&body[..])),
    };
    // It ends in the middle: what could be read by then is what counts.
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_apps_answer() {
    let (app, say) = streaming("text/plain").await;
    let edge = Edge::start(&compressing(&app)).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n").await.unwrap();
    say.send("something").unwrap();
    let mut bytes = vec![0; 64];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    drop(stream);
    edge.until(|status| status.pools[0].active.total() == 0).await;
    assert_eq!(edge.log_with(|line| line["path"] == "/events").await["cause"], "client-broke-off");
}

#[tokio::test]
async fn an_answer_that_broke_off_is_never_given_for_the_whole() {
    let app = App::raw(|mut stream| async move {
        let mut head = [0; 4096];
        let got = stream.read(&mut head).await.unwrap();
        if head[..got].starts_with(b"GET /ready") {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                .await;
            return;
        }
        let half = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5000\r\n\r\nhalf";
        stream.write_all(half.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    })
    .await;
    let edge = Edge::start(&compressing(&app)).await;
    for encoding in ["br", "zstd", "gzip"] {
        let text =
            edge.raw(format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n")).await;
        assert_eq!((status(&text), header(&text, "content-encoding")), (200, Some(encoding)));
        assert!(!text.ends_with("0\r\n\r\n"), "{encoding}: it has an end");
    }
    edge.log_with(|line| line["cause"] == "upstream-broke-off").await;
}

#[tokio::test]
async fn trailers_come_behind_the_last_byte() {
    let app = App::raw(|mut stream| async move {
        let mut head = [0; 4096];
        while let Ok(1..) = stream.read(&mut head).await {
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                          5\r\nhello\r\n0\r\nx-sum: 532\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let edge = Edge::start(&compressing(&app)).await;
    let stream = TcpStream::connect(edge.http).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let asked = Request::get("http://localhost/").header("accept-encoding", "gzip");
    let answer = sender.send_request(asked.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let all = answer.into_body().collect().await.unwrap();
    assert_eq!(all.trailers().unwrap()["x-sum"], "532");
    assert_eq!(decoded(Some("gzip"), &all.to_bytes()), "hello");
}
