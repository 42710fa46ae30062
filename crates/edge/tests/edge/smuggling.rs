//! What two parsers could read differently never reaches an app.

use std::sync::{Arc, Mutex};

use http::Response;

use super::support::*;

/// An app that keeps every head that it gets, but the probe's.
async fn listening() -> (App, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let app = App::start(move |request| {
        if request.uri().path() != "/ready" {
            kept.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        }
        async { Response::new(full("ok")) }
    })
    .await;
    (app, seen)
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_nothing_of_them_is_passed_on() {
    let (app, seen) = listening().await;
    let edge = Edge::start(&live(&[&app])).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let cases = [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [:::::]\r\n\r\n", 400),
        ("GET http://a:99999/ HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
    ];
    for (case, wanted) in cases {
        let answer = edge.raw(format!("{case}{smuggled}")).await;
        assert_eq!(status(&answer), wanted, "{case:?} was answered {answer:?}");
        let smuggled = seen.lock().unwrap().iter().any(|head| head.contains("smuggled"));
        assert!(!smuggled, "{case:?} let a second request through");
    }
    assert_eq!(*seen.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_bad_chunk_ends_the_request_and_the_connection() {
    let (app, seen) = listening().await;
    let edge = Edge::start(&live(&[&app])).await;
    for chunk in
        ["g\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n", "0\r\nx: y\n\r\n", "-1\r\n"]
    {
        let bytes = format!(
            "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let answer = edge.raw(bytes).await;
        assert!(
            !answer.contains("200 OK\r\n")
                || !seen.lock().unwrap().iter().any(|head| head.contains("smuggled"))
        );
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{chunk:?}: {answer}");
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
