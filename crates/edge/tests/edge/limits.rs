//! Bounds on what strangers can take.

use std::time::{Duration, Instant};

use http::Response;
use model::Span;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::support::*;

async fn with_limits(app: &App, change: impl FnOnce(&mut edge::settings::Limits)) -> Edge {
    Edge::start_with(&live(&[app]), |settings| change(&mut settings.limits)).await
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_at_once() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let answer = edge.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n").await;
    assert_eq!(status(&answer), 413, "{answer}");
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_on_the_way() {
    let app = App::start(|request| async move {
        use http_body_util::BodyExt;
        let _ = request.into_body().collect().await;
        Response::new(full("ok"))
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65536));
    for _ in 0..17 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(status(&read_all(&mut stream).await), 413);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    assert_eq!(status(&edge.raw(long).await), 431);
    // More than the parser buffers: it waits for an end that does not come.
    for bytes in [120_000, 250_000] {
        let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(bytes));
        assert_eq!(status(&edge.raw(huge).await), 431, "{bytes}");
    }
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(150));
    assert_eq!(status(&edge.raw(many).await), 431);
    edge.log_with(|line| line["status"] == 431).await;
}

#[tokio::test]
async fn a_head_may_be_one_line_where_the_limit_is_larger() {
    let app = App::named("ok").await;
    let edge = with_limits(&app, |limits| limits.header_bytes_max = model::ByteSize::kib(256)).await;
    let head = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(bytes))
    };
    assert_eq!(status(&edge.raw(head(240_000)).await), 200);
    assert_eq!(status(&edge.raw(head(270_000)).await), 431);
}

#[tokio::test]
async fn a_head_that_drips_is_408() {
    let app = App::named("ok").await;
    let edge = with_limits(&app, |limits| limits.header_timeout = Span::millis(400)).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    let begun = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let (mut reads, mut writes) = stream.split();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if writes.write_all(b"X: y\r\n").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let answer = tokio::select! {
        answer = read_until(&mut reads, "\r\n\r\n") => answer,
        () = drip => unreachable!(),
    };
    assert_eq!(status(&answer), 408);
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let app = App::start(|request| async move {
        use http_body_util::BodyExt;
        let _ = request.into_body().collect().await;
        Response::new(full("ok"))
    })
    .await;
    let edge = with_limits(&app, |limits| limits.body_idle_timeout = Span::millis(300)).await;
    let answer = edge.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(status(&answer), 408, "{answer}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_silent_upstream_is_504() {
    let app = App::start(|request| async move {
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        Response::new(full("ok"))
    })
    .await;
    let mut table = live(&[&app]);
    table.sites[0].routes[0].route.response_header_timeout = Span::millis(300);
    let edge =
        Edge::start_with(&table, |settings| settings.limits.keep_alive_timeout = Span::millis(300)).await;
    let answer = edge.raw("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&answer), 504);
    assert_eq!(edge.raw("").await, "");
}

#[tokio::test]
async fn one_address_gets_so_many_connections() {
    let app = App::named("ok").await;
    let edge = with_limits(&app, |limits| limits.connections_per_address_max = 3).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(edge.http).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        read_until(&mut stream, "ok").await;
        open.push(stream);
    }
    let mut refused = TcpStream::connect(edge.http).await.unwrap();
    assert_eq!(read_all(&mut refused).await, "");
    drop(open);
    edge.until(|status| status.connections == 0 && status.connections_refused_total == 1).await;
    assert_eq!(edge.get("/").await.0, 200);
}

#[tokio::test]
async fn a_slow_reader_never_makes_the_edge_hold_a_body() {
    const TOTAL: usize = 64 << 20;
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&sent);
    let app = App::raw(move |mut stream| {
        let count = std::sync::Arc::clone(&count);
        async move {
            use tokio::io::AsyncReadExt;
            let mut buffer = [0; 4096];
            let got = stream.read(&mut buffer).await.unwrap_or(0);
            if String::from_utf8_lossy(&buffer[..got]).contains("/ready") {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
                return;
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {TOTAL}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let piece = vec![b'x'; 64 << 10];
            while count.fetch_add(piece.len(), std::sync::atomic::Ordering::SeqCst) < TOTAL {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    // The sockets' own buffers fill, then nothing moves: two looks in a row see the same.
    let mut last = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = sent.load(std::sync::atomic::Ordering::SeqCst);
        if now == last {
            break;
        }
        last = now;
    }
    assert!(last < TOTAL / 2, "{last} bytes were taken from the app for a client that reads nothing");
    edge.until(|status| status.pools[0].active.total() == 1).await;
    drop(stream);
    edge.until(|status| status.pools[0].active.total() == 0).await;
}
