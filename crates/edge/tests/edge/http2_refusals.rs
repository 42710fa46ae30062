//! HTTP/2 from clients that do not finish or do not follow the rules: what it costs them, and that the operator sees it.

use std::time::{Duration, Instant};

use model::Span;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    h2_bytes::*,
    http2::slow,
    support::*,
    tls::{config, connect_over},
};

const HEADER_TIMEOUT: Duration = Duration::from_millis(400);

async fn impatient(table: &edge::table::Table) -> Edge {
    Edge::start_with(table, |settings| settings.limits.header_timeout = Span::millis(400)).await
}

const GOOD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")];

/// `GOOD` with one line more, or another in place of its own.
fn spoiled(name: &'static str, value: &str) -> Vec<u8> {
    let is_own = GOOD.iter().any(|line| line.0 == name);
    let lines = GOOD.map(|line| if line.0 == name { (name, value) } else { line });
    let more = [(name, value)];
    block(&[&lines[..], if is_own { &[] } else { &more }].concat())
}

/// A client that got no page is told by the log alone.
async fn is_logged(edge: &Edge, cause: &str) -> serde_json::Value {
    let line = edge.log_with(|line| line["cause"] == cause).await;
    assert_eq!((&line["status"], &line["protocol"]), (&444.into(), &"HTTP/2".into()), "{line}");
    assert_eq!(line["bytes_out"], 0, "{line}");
    line
}

async fn is_let_go(name: &str, bytes: &[u8]) {
    let app = App::named("ok").await;
    let edge = impatient(&live(&[&app])).await;
    let start = Instant::now();
    let mut client = Client(TcpStream::connect(edge.http).await.unwrap());
    client.say(bytes).await;
    client.until_closed().await;
    assert!(start.elapsed() >= HEADER_TIMEOUT, "{name}: after {:?}", start.elapsed());
    let line = is_logged(&edge, "header-timeout").await;
    assert!(line["duration_ms"].as_f64().unwrap() >= 300.0, "{name}: {line}");
    edge.until(|status| status.connections == 0).await;
}

#[tokio::test]
async fn a_head_over_http2_that_does_not_come_costs_its_connection() {
    let whole = head(END_STREAM, 1, &block(&GOOD));
    let cases = [
        ("three bytes", PREFACE[..3].to_vec()),
        ("a preface alone", PREFACE.to_vec()),
        ("half of the first frame", opening()[..30].to_vec()),
        ("no end of the head", begun_head()),
        ("half of a head's frame", [opening(), whole[..20].to_vec()].concat()),
        ("half of a frame's head", [opening(), whole[..5].to_vec()].concat()),
    ];
    futures_util::future::join_all(cases.iter().map(|(name, bytes)| is_let_go(name, bytes))).await;
}

#[tokio::test]
async fn half_a_head_over_http2_and_tls_costs_its_connection() {
    let app = App::named("ok").await;
    let edge = impatient(&live(&[&app])).await;
    let mut stream = connect_over(TcpStream::connect(edge.https).await.unwrap(), &config(&["h2"])).await;
    stream.write_all(&begun_head()).await.unwrap();
    let mut said = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    assert!(ended.is_ok(), "the edge does not close");
    assert_eq!(is_logged(&edge, "header-timeout").await["tls"], true);
}

/// Sends `piece` again and again until the edge closes, slowly enough for h2's bound on the number of frames.
async fn drip(edge: &Edge, begun: &[u8], piece: &[u8]) {
    let (mut reads, mut writes) = TcpStream::connect(edge.http).await.unwrap().into_split();
    writes.write_all(begun).await.unwrap();
    let dripping = async {
        let mut drops = tokio::time::interval(Duration::from_millis(150));
        drops.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            drops.tick().await;
            if writes.write_all(piece).await.is_err() {
                return;
            }
        }
    };
    // What is read says nothing here; the end of writing is the end of the connection.
    let mut nowhere = tokio::io::sink();
    let reading = tokio::io::copy(&mut reads, &mut nowhere);
    let ended = tokio::time::timeout(PATIENCE, async { tokio::join!(dripping, reading) }).await;
    assert!(ended.is_ok(), "it drips for ever");
}

#[tokio::test]
async fn a_head_over_http2_that_drips_costs_its_connection() {
    let app = App::named("ok").await;
    // The beginning of a value of 16,000 bytes, which then comes byte by byte: in frames of one byte, and in one frame.
    let begun = [begun_head(), frame(CONTINUATION, 0, 1, &[0, 1, b'x', 0x7f, 0x81, 0x7c])].concat();
    let one_frame = [begun.clone(), frame(CONTINUATION, 0, 1, &[b'x'; 9000])[..9].to_vec()].concat();
    for (begun, piece) in [(begun, frame(CONTINUATION, 0, 1, b"x")), (one_frame, b"x".to_vec())] {
        let edge = impatient(&live(&[&app])).await;
        drip(&edge, &begun, &piece).await;
        is_logged(&edge, "header-timeout").await;
    }
}

#[tokio::test]
async fn a_quiet_http2_connection_outlives_the_time_for_a_head() {
    let app = App::named("ok").await;
    let edge = impatient(&live(&[&app])).await;
    let mut quiet = Client::open(&edge).await;
    let mut stuck = Client(TcpStream::connect(edge.http).await.unwrap());
    stuck.say(&begun_head()).await;
    stuck.until_closed().await;
    quiet.say(&head(END_STREAM, 1, &block(&GOOD))).await;
    assert_eq!(quiet.until(DATA, 1).await.0.payload, b"ok");
}

#[tokio::test]
async fn streams_that_are_open_end_before_a_connection_with_half_a_head() {
    let (app, go) = slow().await;
    let edge = impatient(&live(&[&app])).await;
    let mut client = Client::open(&edge).await;
    client.say(&head(END_STREAM, 1, &spoiled(":path", "/slow"))).await;
    edge.until(|status| status.pools[0].active.total() == 1).await;
    client.say(&frame(HEADERS, 0, 3, &block(&GOOD))).await;
    client.until(GOAWAY, 0).await;
    is_logged(&edge, "header-timeout").await;
    go.notify_one();
    assert_eq!(client.until(DATA, 1).await.0.payload, b"ok");
    client.until_closed().await;
}

#[tokio::test]
async fn a_malformed_request_is_reset_alone_and_the_log_and_the_figures_tell() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut client = Client::open(&edge).await;
    let long = format!("/{}", "x".repeat(70_000));
    let cases = [
        ("a path that no address holds", spoiled(":path", &long)),
        ("connection", spoiled("connection", "close")),
        ("a host with a space", spoiled(":authority", "a b")),
        ("a path without /", spoiled(":path", "x")),
        ("two methods", block(&[&GOOD[..1], &GOOD].concat())),
        ("a length and no body", spoiled("content-length", "5")),
    ];
    for (n, (name, block)) in (1..).zip(&cases) {
        let stream = 2 * n - 1;
        client.say(&head(END_STREAM, stream, block)).await;
        let (reset, before) = client.until(RST_STREAM, stream).await;
        assert_eq!(reset.payload, [0, 0, 0, 1], "{name}");
        assert!(before.iter().all(|said| said.kind != HEADERS), "{name}: {before:?}");
        let counted =
            format!("http_requests_total{{method=\"OTHER\",route=\"none\",status_code=\"444\"}} {n}");
        edge.counts(&[&counted]).await;
    }
    is_logged(&edge, "http2-malformed").await;
    client.say(&head(END_STREAM, 101, &block(&GOOD))).await;
    assert_eq!(client.until(DATA, 101).await.0.payload, b"ok");
}

/// A client that takes nothing ends no stream, so waiting for the open ones has an end too.
#[tokio::test]
async fn half_a_head_is_no_shelter_for_a_client_that_takes_nothing() {
    let app = App::start(|_| async { http::Response::new(full(vec![0; 64 << 20])) }).await;
    let edge = Edge::start_with(&live(&[&app]), |settings| {
        settings.limits.header_timeout = Span::millis(400);
        settings.limits.send_timeout = Span::secs(2);
    })
    .await;
    let mut client = Client::open(&edge).await;
    // Windows as wide as they go: INITIAL_WINDOW_SIZE, and WINDOW_UPDATE of the connection.
    client.say(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).await;
    client.say(&frame(8, 0, 0, &0x7fff_0000_u32.to_be_bytes())).await;
    client.say(&head(END_STREAM, 1, &block(&GOOD))).await;
    edge.until(|status| status.pools[0].active.total() == 1).await;
    client.say(&frame(HEADERS, 0, 3, &block(&GOOD))).await;
    is_logged(&edge, "header-timeout").await;
    edge.until(|status| status.connections == 0).await;
}

/// The causes of what became no request, as far as the log tells before the line of one that comes now.
async fn told(edge: &Edge, client: &mut Client, stream: u32) -> Vec<String> {
    client.say(&head(END_STREAM, stream, &spoiled(":path", "/last"))).await;
    client.until(DATA, stream).await;
    edge.log_with(|line| line["path"] == "/last").await;
    let log = std::fs::read_to_string(&edge.settings.access_log.as_ref().unwrap().path).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let no_requests = lines.filter(|line| line["method"] == "-");
    no_requests.map(|line| line["cause"].as_str().unwrap().to_owned()).collect()
}

/// However much comes in one piece, and wherever a read ends.
#[tokio::test]
async fn a_client_that_asks_much_at_once_is_refused_nothing() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut client = Client::open(&edge).await;
    let large = spoiled("x", &"y".repeat(9000));
    for round in 0..20 {
        let streams = (0..100).map(|n| 1 + 2 * (round * 100 + n));
        let heads: Vec<_> = streams.map(|stream| head(END_STREAM, stream, &large)).collect();
        client.say(&heads.concat()).await;
        let mut ended = 0;
        while ended < 100 {
            let said = client.next().await.expect("it closes");
            assert_ne!(said.kind, RST_STREAM);
            ended += usize::from(said.kind == DATA && said.flags & END_STREAM != 0);
        }
        client.say(&frame(8, 0, 0, &200_u32.to_be_bytes())).await;
    }
    // One that it takes back at once has been a request too.
    let taken_back = frame(RST_STREAM, 0, 8001, &[0, 0, 0, 8]);
    client.say(&[head(END_STREAM, 8001, &block(&GOOD)), taken_back].concat()).await;
    assert_eq!(told(&edge, &mut client, 9001).await, Vec::<String>::new());
}

#[tokio::test]
async fn streams_beyond_the_number_that_is_allowed_are_told_by_the_log() {
    let (app, go) = slow().await;
    let edge = Edge::start_with(&live(&[&app]), |settings| settings.limits.h2_streams_max = 2).await;
    let mut client = Client::open(&edge).await;
    let asked = [1, 3, 5, 7].map(|stream| head(END_STREAM, stream, &spoiled(":path", "/slow")));
    client.say(&asked.concat()).await;
    for stream in [5, 7] {
        assert_eq!(client.until(RST_STREAM, stream).await.0.payload, [0, 0, 0, 7], "REFUSED_STREAM");
    }
    // Which of them is told first is the app's affair.
    for _ in [1, 3] {
        go.notify_one();
        while client.next().await.expect("it closes").kind != DATA {}
    }
    assert_eq!(told(&edge, &mut client, 9).await, ["http2-refused", "http2-refused"]);
}

#[tokio::test]
async fn a_request_that_has_become_one_has_one_line() {
    let app = App::start(|request| async move {
        use http_body_util::BodyExt;
        let is_last = request.uri().path() == "/last";
        let _ = request.into_body().collect().await;
        http::Response::builder()
            .status(if is_last { 200 } else { 204 })
            .body(full(if is_last { "ok" } else { "" }))
            .unwrap()
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut client = Client::open(&edge).await;
    client.say(&head(0, 1, &spoiled("content-length", "5"))).await;
    client.say(&frame(DATA, END_STREAM, 1, b"too long")).await;
    assert_eq!(client.until(RST_STREAM, 1).await.0.payload, [0, 0, 0, 1]);
    for stream in [3, 5] {
        client.say(&head(END_STREAM, stream, &block(&GOOD))).await;
        assert_eq!(client.until(HEADERS, stream).await.0.flags, END_HEADERS | END_STREAM);
    }
    assert_eq!(told(&edge, &mut client, 7).await, Vec::<String>::new());
}

/// Of about so many bytes, in lines.
fn large(bytes: usize) -> Vec<u8> {
    let (line, name) = ("x".repeat(1000), "x-large");
    let lines = std::iter::repeat_n((name, &*line), bytes / 1000);
    block(&GOOD.into_iter().chain(lines).collect::<Vec<_>>())
}

/// The limit of this edge is 32 KiB, and 256 KiB more are read for the sake of the page.
#[tokio::test]
async fn a_head_far_beyond_the_limit_is_answered_barely_and_logged_and_one_further_still_costs_the_connection()
 {
    let (app, go) = slow().await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut client = Client::open(&edge).await;
    client.say(&head(END_STREAM, 1, &spoiled(":path", "/slow"))).await;
    edge.until(|status| status.pools[0].active.total() == 1).await;
    client.say(&head(END_STREAM, 3, &large(320_000))).await;
    assert_eq!(client.until(HEADERS, 3).await.0.flags, END_HEADERS | END_STREAM);
    let line = edge.log_with(|line| line["status"] == 431).await;
    assert_eq!((&line["cause"], &line["bytes_out"]), (&"head-too-large".into(), &0.into()));
    go.notify_one();
    assert_eq!(client.until(DATA, 1).await.0.payload, b"ok");
    // An edge that has had enough may not want all of it.
    let _ = client.0.write_all(&head(END_STREAM, 5, &large(1_000_000))).await;
    client.until_closed().await;
    is_logged(&edge, "http2-excess").await;
}
