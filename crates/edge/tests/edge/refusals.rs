//! What is refused before it is a request is answered like any other refusal: a page that says what to do, and an id
//! that stands in the access log.

use model::Span;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::*;

/// Sends all of it, ends its side if there is no end of a head, and reads what comes until the edge closes; an edge that
/// answers early may not want all of it.
async fn tell(edge: &Edge, bytes: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(edge.http).await.unwrap();
    let (mut reads, mut writes) = stream.into_split();
    let mut answer = Vec::new();
    let exchange = async {
        let send = async {
            let _ = writes.write_all(bytes).await;
            if !bytes.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                let _ = writes.shutdown().await;
            }
        };
        let receive = async {
            let _ = reads.read_to_end(&mut answer).await;
        };
        tokio::join!(send, receive);
    };
    let ended = tokio::time::timeout(PATIENCE, exchange).await;
    assert!(ended.is_ok(), "the edge does not close after {:?}", String::from_utf8_lossy(bytes));
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// A refusal as every client can read it; its id and its code.
fn refusal(answer: &str) -> (String, String) {
    let id = header(answer, "x-request-id").unwrap_or_else(|| panic!("no id: {answer:?}"));
    assert_eq!(header(answer, "connection"), Some("close"), "{answer}");
    assert_eq!(header(answer, "content-type"), Some("application/problem+json"), "{answer}");
    assert!(header(answer, "date").is_some(), "{answer}");
    let text = body(answer);
    assert_eq!(header(answer, "content-length"), Some(&*text.len().to_string()), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["request_id"], id);
    assert_eq!(problem["status"], status(answer));
    let words = problem["detail"].as_str().unwrap();
    assert!(words.len() > 30 && words.ends_with('.'), "{words:?} helps nobody");
    (id.to_owned(), problem["code"].as_str().unwrap().to_owned())
}

fn post(headers: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n")
}

fn get(headers: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n")
}

/// What came, and what is answered. The edge under test takes heads of 32 KiB and 100 lines.
fn cases() -> Vec<(String, u16, &'static str)> {
    let line = |bytes: usize| get(&format!("X: {}", "x".repeat(bytes)));
    let address = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes));
    let lines = |count: usize| get(&"X: y\r\n".repeat(count));
    vec![
        ("nonsense\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET /\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET / FTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "bad-request"),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "bad-host"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}".to_owned(), 400, "bad-request"),
        (get("no colon"), 400, "bad-request"),
        (get("X y: z"), 400, "bad-request"),
        (get(": z"), 400, "bad-request"),
        (get("X: a\0b"), 400, "bad-request"),
        (get("X: y\r\n z"), 400, "obsolete-fold"),
        (get("X: y\nY: z"), 400, "bare-lf"),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400, "bare-lf"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y".to_owned(), 400, "head-broken"),
        ("G".to_owned(), 400, "head-broken"),
        (post("Content-Length: 5\r\nContent-Length: 5"), 400, "several-content-lengths"),
        (post("Content-Length: five"), 400, "bad-content-length"),
        (post("Content-Length: -1"), 400, "bad-content-length"),
        (post("Content-Length: 9223372036854775808"), 400, "bad-content-length"),
        (post("Content-Length: 18446744073709551615"), 400, "bad-content-length"),
        (post("Content-Length: 99999999999999999999"), 400, "bad-content-length"),
        (post("Content-Length: 9223372036854775807"), 413, "body-too-large"),
        (post("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400, "length-and-encoding"),
        (post("Transfer-Encoding: gzip"), 400, "bad-transfer-encoding"),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, "bad-transfer-encoding"),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400, "bad-request"),
        (line(33_000), 431, "head-too-large"),
        (line(70_000), 431, "head-too-large"),
        (line(400_000), 431, "head-too-large"),
        (lines(101), 431, "head-too-large"),
        (lines(20_000), 431, "head-too-large"),
        (address(33_000), 414, "address-too-long"),
        (address(70_000), 414, "address-too-long"),
        (address(400_000), 414, "address-too-long"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), 400, "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n".to_owned(), 400, "bad-host"),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n".to_owned(), 400, "bad-host"),
        ("GET / HTTP/1.1\r\nHost: a/b?c\r\n\r\n".to_owned(), 400, "bad-host"),
        ("GET / HTTP/1.1\r\nHost: \r\n\r\n".to_owned(), 400, "bad-host"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405, "method-not-allowed"),
    ]
}

#[tokio::test]
async fn every_refusal_says_what_to_do_and_stands_in_the_log_by_the_id_that_its_client_sees() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    for (bytes, wanted, code) in cases() {
        let shown: String = bytes.chars().take(90).collect();
        let answer = String::from_utf8(tell(&edge, bytes.as_bytes()).await).unwrap();
        assert_eq!(status(&answer), wanted, "{shown:?} was answered {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?} was answered {answer:?}");
        let (id, told) = refusal(&answer);
        assert_eq!(told, code, "{shown:?}");
        let line = edge.log_with(|line| line["request_id"] == *id).await;
        assert_eq!((&line["status"], &line["cause"]), (&wanted.into(), &code.into()), "{shown:?}");
        assert_eq!(line["bytes_out"], body(&answer).len(), "{shown:?}");
    }
}

#[tokio::test]
async fn a_method_that_is_never_passed_on_is_told_those_that_are() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    for request in ["TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"] {
        let answer = edge.raw(request).await;
        assert_eq!(status(&answer), 405, "{answer}");
        let allowed = header(&answer, "allow").unwrap_or_else(|| panic!("no Allow: {answer}"));
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert!(allowed.split(", ").any(|named| named == method), "{allowed}");
            let passed = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            assert_eq!(status(&edge.raw(passed).await), 200, "{method}");
        }
        assert!(!allowed.contains(request.split(' ').next().unwrap()), "{allowed}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_told_so() {
    let app = App::named("ok").await;
    let edge =
        Edge::start_with(&live(&[&app]), |settings| settings.limits.header_timeout = Span::millis(300)).await;
    let answer = edge.raw("GET / HTTP/1.1\r\nHost: a\r\n").await;
    assert_eq!(status(&answer), 408, "{answer}");
    let (id, code) = refusal(&answer);
    assert_eq!(code, "header-timeout");
    let line = edge.log_with(|line| line["request_id"] == *id && line["status"] == 408).await;
    assert!(line["duration_ms"].as_f64().unwrap() >= 300.0, "{line}");
}

#[tokio::test]
async fn a_browser_whose_cookies_are_too_large_sees_a_page() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    for bytes in [40_000, 120_000] {
        let cookies = format!("Accept: text/html,*/*;q=0.8\r\nCookie: {}", "x".repeat(bytes));
        let answer = edge.raw(get(&cookies)).await;
        assert_eq!(status(&answer), 431, "{answer}");
        assert_eq!(header(&answer, "content-type"), Some("text/html; charset=utf-8"));
        let id = header(&answer, "x-request-id").unwrap();
        assert!(body(&answer).contains("cookies") && body(&answer).contains(id), "{answer}");
    }
}

#[tokio::test]
async fn what_came_before_is_answered_before_and_nothing_after() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let answer = edge.raw(format!("{}{}nonsense\r\n\r\n{}", get("X: y"), get("X: y"), get("X: y"))).await;
    let (before, last) = answer.split_at(answer.rfind("HTTP/1.1 ").unwrap());
    assert_eq!(before.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert_eq!(status(last), 400, "{answer}");
    refusal(last);
}

#[tokio::test]
async fn a_head_request_that_is_refused_gets_no_body() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let answer = edge.raw("HEAD / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n").await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(header(&answer, "content-length").is_some_and(|bytes| bytes != "0"), "{answer}");
    assert_eq!(body(&answer), "");
}

#[tokio::test]
async fn an_expectation_is_met_or_ignored_and_never_waits() {
    let app = App::start(|request| async move {
        use http_body_util::BodyExt;
        http::Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(post("Expect: 100-continue\r\nContent-Length: 2").as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"hi").await.unwrap();
    assert_eq!(status(&read_until(&mut stream, "hi").await), 200);
    let unknown = post("Expect: wonders\r\nConnection: close\r\nContent-Length: 2");
    assert_eq!(status(&edge.raw(unknown + "hi").await), 200);
    let too_large = post("Expect: 100-continue\r\nContent-Length: 9000000");
    assert_eq!(refusal(&edge.raw(too_large).await).1, "body-too-large");
}

/// A whole request in which some bytes are others.
fn spoiled() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        Just(get("Accept: */*\r\nX: y")),
        Just(post("Content-Length: 2") + "hi"),
        Just(post("Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\n\r\n"),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    (whole, changes).prop_map(|(whole, changes)| {
        let mut bytes = whole.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// Every answer that is no app's is whole, whatever came.
fn is_whole(answer: &[u8], sent: &[u8]) -> Result<(), TestCaseError> {
    let answer = String::from_utf8_lossy(answer);
    let has_any = sent.iter().any(|byte| !b"\r\n".contains(byte));
    prop_assert!(!has_any || !answer.is_empty(), "nothing was answered");
    for one in answer.split_inclusive("HTTP/1.1 ").skip(1) {
        prop_assert!(!one.starts_with('5'), "{answer}");
    }
    let last = answer.rfind("HTTP/1.1 ").map_or("", |at| &answer[at..]);
    if (400..500).contains(&status(last)) {
        prop_assert!(header(last, "x-request-id").is_some(), "{last}");
        prop_assert_eq!(header(last, "connection"), Some("close"));
        prop_assert!(sent.starts_with(b"HEAD") || body(last).contains("\"detail\""), "{last}");
    }
    Ok(())
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[ -~\r\n]{0,200}".prop_map(String::into_bytes),
        "(GET|POST|HEAD|X) [ -~]{0,9} HTTP/[0-9.]{1,3}\r\n([ -~]{0,20}\r?\n){0,4}\r\n"
            .prop_map(String::into_bytes),
        spoiled(),
        spoiled(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_of_any_kind_is_answered_whole() {
    let app = App::named("ok").await;
    let edge = Edge::start_with(&live(&[&app]), |settings| {
        settings.limits.header_timeout = Span::millis(300);
        settings.limits.body_idle_timeout = Span::millis(300);
        settings.limits.keep_alive_timeout = Span::millis(300);
    })
    .await;
    let runtime = tokio::runtime::Handle::current();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) };
    let checked = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&prop::collection::vec(garbage(), 1..64), |many| {
            let told = futures_util::future::join_all(many.iter().map(|bytes| tell(&edge, bytes)));
            let answers = runtime.block_on(told);
            answers.iter().zip(&many).try_for_each(|(answer, sent)| is_whole(answer, sent))
        })
    });
    checked.unwrap();
    assert_eq!(edge.get("/").await, (200, "ok".to_owned()));
}

/// What comes on the connection is the rest of a body that nobody reads: its client must not send the next request there.
#[tokio::test]
async fn an_answer_to_a_body_that_was_not_read_says_that_the_connection_ends() {
    let app = App::named("here").await;
    let mut table = live(&[&app]);
    table.sites[0].routes[0].route.hosts = vec!["known.test".to_owned()];
    let edge = Edge::start(&table).await;
    edge.ready().await;
    for length in [10, 70_000] {
        let mut stream = TcpStream::connect(edge.http).await.unwrap();
        let head = format!("POST /x HTTP/1.1\r\nHost: unknown.test\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(&vec![b'x'; length]).await;
        let answer = read_all(&mut stream).await;
        assert_eq!(status(&answer), 404, "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{length}: {answer}");
    }
}
