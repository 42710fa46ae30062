//! Answers that last.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use model::Span;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};

use super::support::*;
use edge::table::PoolState;

/// An app whose `/events` says what the test sends into the channel, as content of `kind`.
pub async fn streaming(kind: &'static str) -> (App, mpsc::UnboundedSender<&'static str>) {
    let (send, receive) = mpsc::unbounded_channel::<&'static str>();
    let receive = std::sync::Arc::new(tokio::sync::Mutex::new(receive));
    let app = App::start(move |request| {
        let receive = std::sync::Arc::clone(&receive);
        async move {
            if request.uri().path() != "/events" {
                return Response::new(full("ok"));
            }
            let words = futures_util::stream::unfold(receive, |receive| async move {
                let word = receive.lock().await.recv().await?;
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from(word))), receive))
            });
            let body = StreamBody::new(words.boxed()).map_err(|never| match never {});
            let mut answer = Response::new(BodyExt::boxed_unsync(body));
            answer.headers_mut().insert("content-type", kind.parse().unwrap());
            answer
        }
    })
    .await;
    (app, send)
}

#[tokio::test]
async fn each_event_arrives_when_it_is_said() {
    let (app, say) = streaming("text/event-stream").await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        // The next one is said only after this one was seen, so a buffer anywhere would hang here.
        say.send(event).unwrap();
        read_until(&mut stream, event).await;
    }
    let status = edge.until(|status| status.pools[0].active.stream == 1).await;
    assert_eq!(status.pools[0].active.http, 0);
    drop(say);
    read_until(&mut stream, "0\r\n\r\n").await;
    let line = edge.log_with(|line| line["path"] == "/events").await;
    assert_eq!((line["class"].as_str(), line["bytes_out"].as_u64()), (Some("stream"), Some(35)));
}

#[tokio::test]
async fn a_chunked_answer_that_lasts_becomes_a_stream() {
    let (app, say) = streaming("application/json").await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    say.send("{").unwrap();
    read_until(&mut stream, "{").await;
    let first = edge.client.status().await.unwrap();
    assert_eq!(first.pools[0].active.http, 1);
    edge.until(|status| status.pools[0].active.stream == 1).await;
}

#[tokio::test]
async fn an_answer_in_which_nothing_is_said_for_too_long_is_broken_off() {
    let (app, say) = streaming("text/event-stream").await;
    let mut table = live(&[&app]);
    table.sites[0].routes[0].route.idle_timeout = Span::millis(300);
    let edge = Edge::start(&table).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    say.send("data: one\n\n").unwrap();
    let text = read_all(&mut stream).await;
    assert!(text.contains("data: one") && !text.contains("0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_plain_answer_that_stalls_is_broken_off_too() {
    let (app, say) = streaming("text/plain").await;
    let mut table = live(&[&app]);
    table.sites[0].routes[0].route.idle_timeout = Span::millis(300);
    let edge = Edge::start(&table).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    say.send("half").unwrap();
    let text = read_all(&mut stream).await;
    assert!(text.contains("half") && !text.contains("0\r\n\r\n"), "{text}");
    assert_eq!(edge.log_with(|line| line["path"] == "/events").await["cause"], "upstream-idle");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstreams_answer_too() {
    let (app, say) = streaming("text/event-stream").await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    say.send("data: one\n\n").unwrap();
    read_until(&mut stream, "one").await;
    drop(stream);
    edge.until(|status| status.pools[0].active.total() == 0).await;
    let line = edge.log_with(|line| line["path"] == "/events").await;
    assert_eq!(line["cause"], "client-broke-off");
}

#[tokio::test]
async fn a_draining_event_stream_ends_at_its_deadline_and_not_before() {
    let (app, say) = streaming("text/event-stream").await;
    let next = App::named("next").await;
    let mut old = pool(1, PoolState::Live, &[&app]);
    old.drain.stream_timeout = Span::millis(700);
    let edge = Edge::start(&table(1, vec![old.clone()])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    say.send("data: one\n\n").unwrap();
    read_until(&mut stream, "one").await;
    old.state = PoolState::Draining;
    let switched = std::time::Instant::now();
    edge.serve(&table(2, vec![pool(2, PoolState::Live, &[&next]), old])).await;
    assert_eq!(edge.get("/").await.1, "next");
    say.send("data: two\n\n").unwrap();
    read_until(&mut stream, "two").await;
    // An event stream's client comes back, so it just ends.
    read_until(&mut stream, "0\r\n\r\n").await;
    assert!(switched.elapsed() >= Duration::from_millis(700));
    let status = edge.until(|status| status.pools.iter().any(|pool| pool.drained)).await;
    assert_eq!(status.pools[0].cut.stream, 1);
}
