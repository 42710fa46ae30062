//! What two parsers could read differently never reaches an app. `corpus/smuggling.json` has the cases, published ones and
//! their kin; they are judged by what the app behind the edge saw on its connections, byte for byte.

use std::sync::{Arc, Mutex};

use http::Response;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{h2_bytes::*, support::*};

#[derive(Deserialize)]
struct Corpus {
    http1: Vec<Case1>,
    http2: Vec<Case2>,
}

#[derive(Deserialize)]
struct Case1 {
    name: String,
    bytes: String,
    /// Statuses that the client may get; 0: none.
    answer: Vec<u16>,
    /// Method, target and body of all that the app gets.
    app: Vec<String>,
    /// No other request stands behind it.
    #[serde(default)]
    alone: bool,
}

#[derive(Deserialize)]
struct Case2 {
    name: String,
    lines: Vec<(String, String)>,
    data: Option<String>,
    app: Vec<String>,
}

fn corpus() -> Corpus {
    serde_json::from_str(include_str!("corpus/smuggling.json")).unwrap()
}

/// Requests as the app read them, each whole; and what it could not read.
type Seen = Arc<Mutex<Vec<String>>>;

/// An app that reads strictly what comes on each of its connections, and keeps all but probes.
async fn reading() -> (App, Seen) {
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let app = App::raw(move |mut stream| {
        let seen = Arc::clone(&kept);
        async move {
            let mut bytes = Vec::new();
            loop {
                while let Some((request, taken)) = whole(&bytes) {
                    bytes.drain(..taken);
                    if !request.starts_with("GET /ready") {
                        seen.lock().unwrap().push(request);
                    }
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                    return;
                }
            }
        }
    })
    .await;
    (app, seen)
}

/// The first request of `bytes` with its body, and how much of them it is. `None`: it is not all there.
fn whole(bytes: &[u8]) -> Option<(String, usize)> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut lines);
    let start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return None,
        Err(error) => return Some((format!("UNREADABLE {error}"), bytes.len())),
    };
    let values = |name: &str| -> Vec<String> {
        let of_name = head.headers.iter().filter(|line| line.name.eq_ignore_ascii_case(name));
        of_name.map(|line| String::from_utf8_lossy(line.value).into_owned()).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let title = format!("{} {} ", head.method.unwrap(), head.path.unwrap());
    let (body, end) = match (&lengths[..], &codings[..]) {
        ([], []) => (Vec::new(), start),
        ([length], []) => {
            let end = start + length.parse::<usize>().unwrap();
            (bytes.get(start..end)?.to_vec(), end)
        }
        ([], [coding]) if coding == "chunked" => chunks(bytes, start)?,
        _ => return Some((format!("AMBIGUOUS {title}{lengths:?} {codings:?}"), bytes.len())),
    };
    Some((title + &String::from_utf8_lossy(&body), end))
}

fn chunks(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((head, size)) = httparse::parse_chunk_size(bytes.get(at..)?).unwrap()
        else {
            return None;
        };
        let start = at + head;
        let end = start + usize::try_from(size).unwrap();
        assert_eq!(bytes.get(end..end + 2)?, b"\r\n", "a chunk has its end, and no trailers come");
        body.extend_from_slice(&bytes[start..end]);
        at = end + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

/// Waits until the app has seen a request of ours behind all that came before; gives what that is.
async fn before_the_last(edge: &Edge, seen: &Seen, n: usize) -> Vec<String> {
    // On each of the pooled connections that the edge may have.
    let last = format!("/last-{n}");
    assert_eq!(edge.get(&last).await, (200, "ok".to_owned()));
    let mut all = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(all.pop(), Some(format!("GET {last} ")), "after {all:?}");
    all
}

#[tokio::test]
async fn what_the_app_sees_over_http1_is_what_was_asked_in_one_way_only() {
    let (app, seen) = reading().await;
    // A body that says that more will come is not waited for long.
    let edge = Edge::start_with(&live(&[&app]), |settings| {
        settings.limits.body_idle_timeout = model::Span::millis(300);
    })
    .await;
    edge.ready().await;
    let mut wrong = Vec::new();
    for (n, case) in corpus().http1.iter().enumerate() {
        let bait =
            if case.alone { "" } else { "GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" };
        // One byte a sign, as they stand in the file.
        let bytes: Vec<u8> = format!("{}{bait}", case.bytes).chars().flat_map(latin1).collect();
        let mut stream = TcpStream::connect(edge.http).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let answer = read_all(&mut stream).await;
        let met = before_the_last(&edge, &seen, n).await;
        let is_one = case.alone || answer.matches("HTTP/1.1 ").count() <= 1;
        if !case.answer.contains(&status(&answer)) || !is_one || met != case.app {
            wrong.push(format!("{}: answered {answer:?}, and the app saw {met:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Signs beyond Latin-1 are sent as UTF-8.
fn latin1(sign: char) -> Vec<u8> {
    u8::try_from(u32::from(sign)).map_or_else(|_| sign.to_string().into_bytes(), |byte| vec![byte])
}

#[tokio::test]
async fn what_the_app_sees_over_http2_is_what_was_asked_in_one_way_only() {
    let (app, seen) = reading().await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    for (n, case) in corpus().http2.iter().enumerate() {
        let lines: Vec<(&str, &str)> = case.lines.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut client = Client::open(&edge).await;
        let mut bytes = head(if case.data.is_none() { END_STREAM } else { 0 }, 1, &block(&lines));
        if let Some(data) = &case.data {
            bytes.extend(frame(DATA, END_STREAM, 1, data.as_bytes()));
        }
        client.say(&bytes).await;
        // An answer, a reset, or the end of the connection.
        let mut is_answered = false;
        while let Some(said) = client.next().await {
            if said.kind == GOAWAY || (said.stream == 1 && matches!(said.kind, HEADERS | RST_STREAM)) {
                is_answered = said.kind == HEADERS;
                break;
            }
        }
        assert!(case.app.is_empty() || is_answered, "{}: no answer", case.name);
        drop(client);
        assert_eq!(before_the_last(&edge, &seen, n).await, case.app, "{}", case.name);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = App::start(|request| async move {
        let path = request.uri().path().to_owned();
        Response::new(full(format!("<{path}>")))
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let get = |n: usize| {
        let close = if n == 9 { "Connection: close\r\n" } else { "" };
        format!("GET /{n} HTTP/1.1\r\nHost: a\r\n{close}\r\n")
    };
    let answer = edge.raw((0..10).map(get).collect::<String>()).await;
    let places: Vec<_> = (0..10).map(|n| answer.find(&format!("</{n}>"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
}
