//! WebSockets: through, idle, and closed with a code at the end of a drain.

use std::time::Duration;

use edge::table::{PoolState, Table};
use http::Response;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::support::*;

/// An app that upgrades and echoes bytes as they are (a masked frame comes back masked, which is all one to the edge),
/// and that tells the test what it got.
async fn echo() -> (App, mpsc::UnboundedReceiver<Vec<u8>>) {
    upgrading(true).await
}

/// The same, or one that only listens.
async fn upgrading(echoes: bool) -> (App, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let app = App::start(move |mut request| {
        let tell = tell.clone();
        async move {
            if !request.headers().contains_key("upgrade") {
                return Response::new(full("plain"));
            }
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut buffer = vec![0; 70_000];
                while let Ok(got @ 1..) = stream.read(&mut buffer).await {
                    let _ = tell.send(buffer[..got].to_vec());
                    if echoes && stream.write_all(&buffer[..got]).await.is_err() {
                        return;
                    }
                }
            });
            let answer = Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            answer.body(full("")).unwrap()
        }
    })
    .await;
    (app, told)
}

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn open(edge: &Edge) -> TcpStream {
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(ASK.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    stream
}

/// A masked text frame.
fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

async fn exactly(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    buffer
}

#[tokio::test]
async fn frames_go_both_ways_and_are_counted_as_a_websocket() {
    let (app, _told) = echo().await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = open(&edge).await;
    for word in [&b"hello"[..], b"again"] {
        stream.write_all(&text(word)).await.unwrap();
        assert_eq!(exactly(&mut stream, word.len() + 6).await, text(word));
    }
    edge.until(|status| status.pools[0].active.websocket == 1 && status.pools[0].active.http == 0).await;
    let metrics = edge.client.metrics().await.unwrap();
    assert!(metrics.contains("websocket_active_connections 1\n"));
    drop(stream);
    edge.until(|status| status.pools[0].active.websocket == 0).await;
    let line = edge.log_with(|line| line["path"] == "/ws").await;
    assert_eq!((line["class"].as_str(), line["status"].as_u64()), (Some("websocket"), Some(101)));
}

/// After a start of the machine the edge is there first: whoever comes then is not sent away.
#[tokio::test]
async fn a_websocket_that_comes_before_any_instance_waits_for_the_first() {
    let gone = App::named("gone").await;
    let before = live(&[&gone]);
    drop(gone);
    let edge = Edge::start(&before).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(ASK.as_bytes()).await.unwrap();
    edge.until(|status| status.pools[0].upstreams[0].connect_errors_total >= 1).await;
    let (app, _told) = echo().await;
    edge.serve(&Table { epoch: before.epoch + 1, ..live(&[&app]) }).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(status(&head), 101, "{head}");
    stream.write_all(&text(b"hello")).await.unwrap();
    assert_eq!(exactly(&mut stream, 11).await, text(b"hello"));
}

#[tokio::test]
async fn an_app_that_refuses_is_passed_on() {
    let app = App::named("no websockets here").await;
    let edge = Edge::start(&live(&[&app])).await;
    let answer = edge.raw(ASK.replace("keep-alive", "close")).await;
    assert_eq!((status(&answer), body(&answer).as_str()), (200, "no websockets here"));
}

#[tokio::test]
async fn at_the_end_of_a_drain_both_sides_get_a_close_frame() {
    let (app, mut told) = echo().await;
    let next = App::named("next").await;
    let mut old = pool(1, PoolState::Live, &[&app]);
    let edge = Edge::start(&table(1, vec![old.clone()])).await;
    let mut stream = open(&edge).await;
    stream.write_all(&text(b"hello")).await.unwrap();
    exactly(&mut stream, 11).await;
    told.recv().await.unwrap();
    old.state = PoolState::Draining;
    let switched = std::time::Instant::now();
    edge.serve(&table(2, vec![pool(2, PoolState::Live, &[&next]), old])).await;
    // It lives on until its time has come.
    stream.write_all(&text(b"still")).await.unwrap();
    assert_eq!(exactly(&mut stream, 11).await, text(b"still"));
    told.recv().await.unwrap();
    assert_eq!(exactly(&mut stream, 4).await, [0x88, 2, 0x03, 0xf4], "1012, unmasked");
    assert!(switched.elapsed() >= Duration::from_secs(1));
    let close = told.recv().await.unwrap();
    assert_eq!(close[..2], [0x88, 0x82], "{close:?}");
    let code = u16::from_be_bytes([close[6] ^ close[2], close[7] ^ close[3]]);
    assert_eq!(code, 1012);
    // The client's own close frame ends it.
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4]).await.unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
    let status = edge.until(|status| status.pools.iter().any(|pool| pool.drained)).await;
    assert_eq!(status.pools[0].cut.websocket, 1);
}

#[tokio::test]
async fn the_close_frame_waits_for_the_frame_that_is_under_way() {
    let (app, _told) = echo().await;
    let next = App::named("next").await;
    let mut old = pool(1, PoolState::Live, &[&app]);
    let edge = Edge::start(&table(1, vec![old.clone()])).await;
    let mut stream = open(&edge).await;
    let frame = text(b"0123456789");
    stream.write_all(&frame[..8]).await.unwrap();
    exactly(&mut stream, 8).await;
    old.state = PoolState::Draining;
    old.drain.websocket_timeout = model::Span::millis(1);
    edge.serve(&table(2, vec![pool(2, PoolState::Live, &[&next]), old])).await;
    edge.client.drain_now(&pool(1, PoolState::Live, &[&app]).id).await.unwrap();
    // Half a frame is out: nothing may come before its end. The edge has looked once this status came.
    edge.until(|status| status.pools.iter().any(|pool| pool.draining_for_ms > Some(400))).await;
    stream.write_all(&frame[8..]).await.unwrap();
    assert_eq!(exactly(&mut stream, frame.len() - 8).await, frame[8..]);
    assert_eq!(exactly(&mut stream, 4).await, [0x88, 2, 0x03, 0xf4]);
}

#[tokio::test]
async fn a_client_that_stopped_in_the_middle_of_a_frame_is_told_too() {
    let (app, _told) = upgrading(false).await;
    let next = App::named("next").await;
    let mut old = pool(1, PoolState::Live, &[&app]);
    let edge = Edge::start(&table(1, vec![old.clone()])).await;
    let mut stream = open(&edge).await;
    stream.write_all(&text(b"0123456789")[..8]).await.unwrap();
    old.state = PoolState::Draining;
    old.drain.websocket_timeout = model::Span::millis(1);
    edge.serve(&table(2, vec![pool(2, PoolState::Live, &[&next]), old])).await;
    // After the time that the frame has to end.
    assert_eq!(exactly(&mut stream, 4).await, [0x88, 2, 0x03, 0xf4]);
    drop(stream);
    let status = edge.until(|status| status.pools.iter().any(|pool| pool.drained)).await;
    assert_eq!(status.pools[0].cut.websocket, 1);
    let line = edge.log_with(|line| line["path"] == "/ws").await;
    assert_eq!(line["cause"], "drain-deadline");
}

/// W-E6: many configurations send `Connection: upgrade` to the app on every request.
#[tokio::test]
async fn only_an_upgrade_that_was_asked_for_reaches_the_app() {
    let (app, _told) = echo().await;
    let edge = Edge::start(&live(&[&app])).await;
    let plain = edge.raw("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned()).await;
    assert_eq!((status(&plain), body(&plain).as_str()), (200, "plain"));
    // The app would answer any upgrade with 101; another one than to WebSocket is not passed on.
    let other = ASK.replace("websocket", "h2c").replace("keep-alive, Upgrade", "close, Upgrade");
    let answer = edge.raw(other).await;
    assert_eq!((status(&answer), body(&answer).as_str()), (200, "plain"));
}
