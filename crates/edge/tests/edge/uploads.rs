//! Bodies on their way to an app: whole, framed anew, and answered before they end where the app wants that.

use http::Response;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::*;

/// Answers with its own headers that frame the body, the trailers that came, and the body's length and sum.
async fn weighs() -> App {
    App::start(|request| async move {
        let (head, body) = request.into_parts();
        let framing = ["content-length", "transfer-encoding"].map(|name| head.headers.get(name).cloned());
        let all = body.collect().await.unwrap();
        let trailers = all.trailers().map_or(0, http::HeaderMap::len);
        Response::new(full(format!("{framing:?} {trailers} {}", weight(&all.to_bytes()))))
    })
    .await
}

/// Length and an order-dependent sum.
fn weight(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{}/{sum:x}", bytes.len())
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in body.chunks(size) {
        text.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
        text.extend_from_slice(piece);
        text.extend_from_slice(b"\r\n");
    }
    text
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * n % 251) as u8).collect()
}

#[tokio::test]
async fn a_body_arrives_whole_however_it_is_cut() {
    let app = weighs().await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    for (length, size, method) in
        [(0, 1, "POST"), (1, 1, "POST"), (3_000, 7, "PUT"), (900_000, 65_000, "POST"), (5_000, 999, "GET")]
    {
        let body = bytes(length);
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        let mut sent = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        sent.extend_from_slice(&chunked(&body, size));
        sent.extend_from_slice(b"0\r\n\r\n");
        let answer = edge.raw(sent).await;
        assert!(answer.ends_with(&format!(" 0 {}", weight(&body))), "{length} {size}: {answer}");
        let mut sent = format!("{head}Content-Length: {length}\r\n\r\n").into_bytes();
        sent.extend_from_slice(&body);
        let answer = edge.raw(sent).await;
        let said = format!("[Some(\"{length}\"), None] 0 {}", weight(&body));
        assert!(answer.ends_with(&said), "{length}: {answer}");
    }
}

/// Some servers merge trailers into headers, where one could be what we have judged and replaced.
#[tokio::test]
async fn a_clients_trailers_end_at_the_edge() {
    let app = weighs().await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: X-Forwarded-For\r\n";
    let sent =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
    let answer = edge.raw(sent).await;
    assert!(answer.ends_with(&format!(" 0 {}", weight(b"hi"))), "{answer}");
}

/// An app that refuses an upload at its first byte, and closes or reads on.
#[tokio::test]
async fn an_answer_may_come_before_the_body_has_ended() {
    for closes in [true, false] {
        let app = App::raw(move |mut stream| async move {
            let head = read_until(&mut stream, "\r\n\r\n").await;
            if head.starts_with("GET /ready") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 7\r\n\r\nrefused").await;
            if !closes {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        })
        .await;
        let edge = Edge::start(&live(&[&app])).await;
        edge.ready().await;
        let mut stream = TcpStream::connect(edge.http).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes(1000)).await.unwrap();
        let answer = read_until(&mut stream, "refused").await;
        assert_eq!(status(&answer), 413, "{closes}: {answer}");
    }
}

/// The connection on which an upload was answered early still owes the rest of it: another request on it would be read
/// as that rest.
#[tokio::test]
async fn a_connection_that_owes_a_body_is_not_used_again() {
    let app = App::raw(|mut stream| async move {
        let mut buffer = vec![0; 64 << 10];
        let mut on_this_connection = 0;
        while let Ok(got @ 1..) = stream.read(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..got]).into_owned();
            if !text.contains(" HTTP/1.1\r\n") {
                continue;
            }
            on_this_connection += usize::from(!text.starts_with("GET /ready"));
            let said = format!("<{on_this_connection}>");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", said.len());
            let _ = stream.write_all(format!("{head}{said}").as_bytes()).await;
        }
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    let mut upload = TcpStream::connect(edge.http).await.unwrap();
    upload.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nbegun").await.unwrap();
    read_until(&mut upload, "<1>").await;
    assert_eq!(edge.get("/").await, (200, "<1>".to_owned()), "on a connection of its own");
}

/// Bad manners, but a whole request: the app has said 202 and stores what comes.
#[tokio::test]
async fn an_app_that_answers_first_still_gets_the_body() {
    let (stored, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let app = App::raw(move |mut stream| {
        let stored = stored.clone();
        async move {
            let head = read_until(&mut stream, "\r\n\r\n").await;
            let _ = stream.write_all(b"HTTP/1.1 202 Taken\r\nContent-Length: 0\r\n\r\n").await;
            if head.starts_with("POST") {
                let mut got = head.split_once("\r\n\r\n").unwrap().1.len();
                let mut buffer = vec![0; 64 << 10];
                while got < 200_000 {
                    match stream.read(&mut buffer).await {
                        Ok(more @ 1..) => got += more,
                        Ok(0) | Err(_) => break,
                    }
                }
                stored.send(got).unwrap();
            }
        }
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_until(&mut stream, "\r\n\r\n").await), 202);
    for piece in bytes(200_000).chunks(10_000) {
        stream.write_all(piece).await.unwrap();
    }
    assert_eq!(arrived.recv().await, Some(200_000));
}
