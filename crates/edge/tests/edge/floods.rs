//! Clients that hold much or make much work and ask next to nothing: what ends them, and that others do not notice.

use std::time::Duration;

use http::Response;
use model::Span;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{h2_bytes::*, support::*};

const PRIORITY: u8 = 2;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")];

/// An app whose every answer is larger than all that sockets take by themselves.
async fn large() -> App {
    App::start(|request| async move {
        let bytes = if request.uri().path() == "/ready" { 0 } else { 64 << 20 };
        Response::new(full(vec![b'x'; bytes]))
    })
    .await
}

async fn impatient(app: &App) -> Edge {
    Edge::start_with(&live(&[app]), |settings| settings.limits.send_timeout = Span::millis(500)).await
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let app = large().await;
    let edge = impatient(&app).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let line = edge.log_with(|line| line["cause"] == "send-timeout").await;
    assert_eq!((&line["status"], &line["path"]), (&200.into(), &"/big".into()), "{line}");
    edge.until(|status| status.connections == 0 && status.pools[0].active.total() == 0).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 64 << 20);
}

#[tokio::test]
async fn a_stream_without_room_is_reset_and_others_of_its_connection_go_on() {
    let app = large().await;
    let edge = impatient(&app).await;
    let mut client = Client::open(&edge).await;
    // INITIAL_WINDOW_SIZE 0: no answer may have a byte until it is told so.
    client.say(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    client.say(&head(END_STREAM, 1, &block(&GET))).await;
    client.say(&head(END_STREAM, 3, &block(&GET))).await;
    client.say(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    // The second is taken of all the time, a little.
    let mut taken = 0;
    let (reset, before) = loop {
        client.say(&frame(WINDOW_UPDATE, 0, 3, &40_000_u32.to_be_bytes())).await;
        let mut before = Vec::new();
        let reset = loop {
            let said = client.next().await.expect("the connection goes on");
            match (said.kind, said.stream) {
                (RST_STREAM, _) => break Some(said),
                (DATA, 3) => {
                    taken += said.payload.len();
                    if taken % 40_000 == 0 {
                        break None;
                    }
                }
                _ => before.push(said),
            }
        };
        if let Some(reset) = reset {
            break (reset, before);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((reset.stream, &reset.payload[..]), (1, &[0, 0, 0, 8][..]), "CANCEL, after {before:?}");
    edge.log_with(|line| line["cause"] == "send-timeout").await;
    edge.until(|status| status.pools[0].active.total() == 1).await;
    client.say(&frame(WINDOW_UPDATE, 0, 3, &1_000_u32.to_be_bytes())).await;
    assert!(!client.until(DATA, 3).await.0.payload.is_empty());
}

/// One client sends `piece` again and again until it is cut, and another one is served all the while.
async fn is_cut(name: &str, piece: impl Fn(u32) -> Vec<u8>) {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let (mut reads, mut writes) = TcpStream::connect(edge.http).await.unwrap().into_split();
    writes.write_all(&opening()).await.unwrap();
    let flooding = async {
        for n in 0.. {
            let pieces: Vec<u8> = (0..100).flat_map(|m| piece(n * 100 + m)).collect();
            if writes.write_all(&pieces).await.is_err() {
                return n * 100;
            }
        }
        0
    };
    let mut nowhere = tokio::io::sink();
    let reading = tokio::io::copy(&mut reads, &mut nowhere);
    let asking = async {
        let mut answers = 0;
        loop {
            assert_eq!(edge.get("/").await, (200, "ok".to_owned()), "{name}, after {answers} answers");
            answers += 1;
        }
    };
    let ended = async { tokio::join!(flooding, reading).0 };
    let frames = tokio::select! {
        frames = tokio::time::timeout(PATIENCE, ended) => frames.unwrap_or_else(|_| panic!("{name} goes on for ever")),
        () = asking => unreachable!(),
    };
    assert!(frames > 0, "{name}");
    let line = edge.log_with(|line| line["cause"] == "http2-excess").await;
    assert_eq!(line["status"], 444, "{name}: {line}");
    edge.until(|status| status.connections == 0 && status.pools[0].active.total() == 0).await;
    assert_eq!(edge.get("/").await.0, 200, "{name}");
}

#[tokio::test]
async fn a_flood_of_pings_is_cut() {
    is_cut("pings", |_| frame(PING, 0, 0, &[7; 8])).await;
}

#[tokio::test]
async fn a_flood_of_settings_is_cut() {
    is_cut("settings", |n| frame(SETTINGS, 0, 0, &[&[0, 3][..], &(100 + n % 7).to_be_bytes()].concat()))
        .await;
}

#[tokio::test]
async fn a_flood_of_priorities_is_cut() {
    is_cut("priorities", |n| frame(PRIORITY, 0, 2 * (n % 1000) + 1, &[0, 0, 0, 0, 9])).await;
}

/// CVE-2023-44487.
#[tokio::test]
async fn requests_that_are_taken_back_at_once_again_and_again_are_cut() {
    is_cut("rapid reset", |n| {
        let taken_back = frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]);
        [head(END_STREAM, 2 * n + 1, &block(&GET)), taken_back].concat()
    })
    .await;
}

/// CVE-2024-27316 and its like.
#[tokio::test]
async fn a_head_that_goes_on_in_frame_after_frame_is_cut() {
    is_cut("continuation", |n| match n {
        0 => frame(HEADERS, END_STREAM, 1, &block(&GET)),
        _ => frame(CONTINUATION, 0, 1, &block(&[("x-a", "b")])),
    })
    .await;
}

#[tokio::test]
async fn empty_pieces_of_a_body_are_cut() {
    is_cut("empty data", |n| match n {
        0 => head(0, 1, &block(&[&GET[1..], &[(":method", "POST")]].concat())),
        _ => frame(DATA, 0, 1, &[]),
    })
    .await;
}

/// W-E7: what holds a connection and asks nothing makes room when there is little left.
#[tokio::test]
async fn idle_connections_go_sooner_when_few_places_are_left() {
    let app = App::named("ok").await;
    let edge = Edge::start_with(&live(&[&app]), |settings| settings.limits.connections_max = 40).await;
    let mut idle = Vec::new();
    for n in 0..40 {
        idle.push(connect_from([127, 0, 1, n], edge.http).await);
    }
    edge.until(|status| status.connections >= 39).await;
    // They would stay for 75 s.
    edge.until(|status| status.connections <= 30).await;
    assert_eq!(edge.get("/").await.0, 200, "whoever comes now is served");
    drop(idle);
}
