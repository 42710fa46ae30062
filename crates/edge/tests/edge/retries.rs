//! What is sent again, what never is, and that no answer goes to another's request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use edge::{
    control::{Served, ServedSite},
    table::{SiteTable, Table},
};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use model::{Site, Span};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;

/// Reads one request's head and whatever body came with it, then hangs up without a word.
async fn hangs_up(count: Arc<AtomicUsize>) -> App {
    App::raw(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut buffer = [0; 4096];
            let got = stream.read(&mut buffer).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&buffer[..got]).into_owned();
            if head.starts_with("GET /ready") {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
            } else if got > 0 {
                count.fetch_add(1, SeqCst);
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_post_is_never_sent_twice_once_a_byte_was_sent() {
    let count = Arc::new(AtomicUsize::new(0));
    let apps = [hangs_up(Arc::clone(&count)).await, hangs_up(Arc::clone(&count)).await];
    let edge = Edge::start(&live(&[&apps[0], &apps[1]])).await;
    edge.ready().await;
    for n in 1..=5 {
        let post = "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
        let answer = edge.raw(post).await;
        assert_eq!(status(&answer), 502, "{answer}");
        assert_eq!(count.load(SeqCst), n);
    }
}

#[tokio::test]
async fn a_get_goes_to_another_instance_when_one_breaks_off() {
    let count = Arc::new(AtomicUsize::new(0));
    let (bad, good) = (hangs_up(Arc::clone(&count)).await, App::named("good").await);
    let edge = Edge::start(&live(&[&bad, &good])).await;
    edge.ready().await;
    for _ in 0..10 {
        assert_eq!(edge.get("/x").await, (200, "good".to_owned()));
    }
    assert!(count.load(SeqCst) > 0, "the bad one was never tried, so nothing was shown");
    let retried = edge.log_with(|line| line["retries"].as_u64() > Some(0)).await;
    assert_eq!(retried["upstream"], "web.1.2");
}

#[tokio::test]
async fn a_put_with_a_small_body_is_sent_again_whole() {
    let count = Arc::new(AtomicUsize::new(0));
    let bad = hangs_up(Arc::clone(&count)).await;
    let echo = App::start(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body))
    })
    .await;
    let edge = Edge::start(&live(&[&bad, &echo])).await;
    edge.ready().await;
    for _ in 0..6 {
        let put = "PUT /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
        let answer = edge.raw(put).await;
        assert_eq!((status(&answer), body(&answer).as_str()), (200, "hello"), "{answer}");
    }
    assert!(count.load(SeqCst) > 0);
}

#[tokio::test]
async fn any_method_goes_elsewhere_when_nothing_could_be_sent() {
    let gone = App::named("gone").await;
    let good = App::named("good").await;
    let table = live(&[&gone, &good]);
    drop(gone);
    let edge = Edge::start(&table).await;
    for _ in 0..10 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(status(&edge.raw(post).await), 200);
    }
}

#[tokio::test]
async fn with_no_instance_left_the_answer_is_503_with_retry_after() {
    let gone = App::named("gone").await;
    let table = live(&[&gone]);
    drop(gone);
    let edge = Edge::start_with(&table, |settings| settings.limits.first_ready_within = Span::secs(0)).await;
    let answer =
        edge.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: text/html\r\n\r\n").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("retry-after: ") && answer.contains("<!doctype html>"), "{answer}");
    let status = edge.client.status().await.unwrap();
    assert!(status.pools[0].upstreams[0].connect_errors_total > 0);
}

/// After a start of the machine the edge is there first: whoever comes then is not sent away.
#[tokio::test]
async fn a_request_that_comes_before_any_instance_waits_for_the_first() {
    let gone = App::named("gone").await;
    let before = live(&[&gone]);
    drop(gone);
    let edge = Edge::start(&before).await;
    let ask = |method: &str| {
        format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
    };
    let asked = ["GET", "POST"].map(|method| tokio::spawn(raw(edge.http, ask(method))));
    edge.until(|status| status.pools[0].upstreams[0].connect_errors_total >= 2).await;
    let app = App::named("here").await;
    edge.serve(&Table { epoch: before.epoch + 1, ..live(&[&app]) }).await;
    for answer in asked {
        let answer = answer.await.unwrap();
        assert_eq!((status(&answer), body(&answer).as_str()), (200, "here"), "{answer}");
    }
}

/// The tables of the sites come one by one, and the first of them is not all.
#[tokio::test]
async fn a_request_for_a_site_that_was_served_before_waits_for_its_routes() {
    let app = App::named("here").await;
    let table = live(&[&app]);
    let site = &table.sites[0];
    let other: Site = "other/production".parse().unwrap();
    let served =
        |site: &Site| ServedSite { site: site.clone(), generation: 1, release: None, maintenance: false };
    let before = Served { format: 1, epoch: 7, sites: vec![served(&site.site), served(&other)] };
    let edge = Edge::start_with(&Table::empty(), |settings| {
        std::fs::create_dir_all(&settings.state).unwrap();
        std::fs::write(settings.state.join("served.json"), serde_json::to_vec(&before).unwrap()).unwrap();
    })
    .await;
    let get = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let asked = tokio::spawn(raw(edge.http, get("a")));
    edge.until(|status| status.connections > 0).await;
    let first = SiteTable { site: other, routes: Vec::new(), pools: Vec::new(), ..site.clone() };
    edge.serve(&Table { epoch: 8, sites: vec![first.clone()], ..table.clone() }).await;
    assert!(!asked.is_finished(), "{:?}", asked.await);
    edge.serve(&Table { epoch: 9, sites: vec![first, site.clone()], ..table.clone() }).await;
    let answer = asked.await.unwrap();
    assert_eq!((status(&answer), body(&answer).as_str()), (200, "here"), "{answer}");
    // Now all are there, and nobody waits for what never was.
    let mut closed = table.clone();
    closed.sites[0].routes[0].route.hosts = vec!["known".to_owned()];
    edge.serve(&Table { epoch: 10, ..closed }).await;
    let asked = tokio::time::timeout(Duration::from_secs(10), edge.raw(get("stranger"))).await;
    assert_eq!(status(&asked.expect("at once")), 404);
}

#[tokio::test]
async fn an_unready_app_that_still_answers_gets_traffic_when_there_is_no_other() {
    let app = App::start(|request| async move {
        let mut answer = Response::new(full("still here"));
        if request.uri().path() == "/ready" {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let status = edge.until(|status| status.pools[0].upstreams[0].failures >= 2).await;
    let probe = status.pools[0].upstreams[0].last_probe.clone().unwrap();
    assert_eq!((probe.status, probe.body.as_str()), (Some(503), "still here"));
    assert_eq!(edge.get("/").await, (200, "still here".to_owned()));
}

/// Says that the connection stays and closes it all the same, as servers do whose keep-alive time has run out.
#[tokio::test]
async fn a_connection_that_the_app_has_closed_is_not_used() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let app = App::raw(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let head = read_until(&mut stream, "\r\n\r\n").await;
            seen.fetch_add(usize::from(head.starts_with("POST")), SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    let mut stream = tokio::net::TcpStream::connect(edge.http).await.unwrap();
    for n in 1..=50 {
        stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let answer = read_until(&mut stream, "ok").await;
        assert_eq!((status(&answer), count.load(SeqCst)), (200, n), "{answer}");
    }
}

/// Mixed traffic with aborts and broken connections: every answer must hold its own request's nonce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_never_cross() {
    let turn = Arc::new(AtomicUsize::new(0));
    let app = App::start(move |request| {
        let turn = turn.fetch_add(1, SeqCst);
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            if turn.is_multiple_of(7) {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            let mut answer = Response::new(full(format!("[{path}:{}]", body.len())));
            if turn.is_multiple_of(11) {
                answer.headers_mut().insert("connection", "close".parse().unwrap());
            }
            answer
        }
    })
    .await;
    let edge = Arc::new(Edge::start(&live(&[&app])).await);
    edge.ready().await;
    let clients = (0..8).map(|client| {
        let edge = Arc::clone(&edge);
        tokio::spawn(async move {
            let mut stream = None;
            for n in 0..60 {
                let open = match stream.take() {
                    Some(open) => open,
                    None => tokio::net::TcpStream::connect(edge.http).await.unwrap(),
                };
                stream = talk(open, client, n).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

/// One exchange; `None` where the client broke off in the middle.
async fn talk(mut stream: tokio::net::TcpStream, client: usize, n: usize) -> Option<tokio::net::TcpStream> {
    let (method, payload) =
        if n.is_multiple_of(3) { ("POST", "x".repeat(n * 40)) } else { ("GET", String::new()) };
    let path = format!("/{client}-{n}");
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", payload.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    if n % 13 == 5 {
        return None;
    }
    stream.write_all(payload.as_bytes()).await.unwrap();
    if n % 17 == 3 {
        return None;
    }
    let answer = read_until(&mut stream, "]").await;
    assert_eq!(body(&answer), format!("[{path}:{}]", payload.len()), "{answer}");
    Some(stream)
}
