//! A balancer in front that passes bytes on and says who they are from.

use http::Response;
use model::Span;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{support::*, tls};

/// Says what it was told about the client.
async fn mirror() -> App {
    App::start(|request| async move {
        let told = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let words = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"].map(told);
        Response::new(full(words.join(" ")))
    })
    .await
}

async fn behind(proxies: &[&str], app: &App, change: impl FnOnce(&mut edge::Settings)) -> Edge {
    Edge::start_with(&live(&[app]), |settings| {
        settings.trusted_proxies = proxies.iter().map(|net| net.parse().unwrap()).collect();
        settings.client_ip = edge::settings::ClientIp::ProxyProtocol;
        change(settings);
    })
    .await
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
const V4: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x01, 0xbb];

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

async fn told(edge: &Edge, header: &[u8]) -> String {
    let answer = edge.raw([header, ASK.as_bytes()].concat()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    body(&answer)
}

#[tokio::test]
async fn the_client_is_who_the_proxy_says() {
    let app = mirror().await;
    let edge = behind(&["127.0.0.1/32"], &app, |_| {}).await;
    let v1 = b"PROXY TCP4 203.0.113.7 10.0.0.1 54321 443\r\n";
    assert_eq!(told(&edge, v1).await, "203.0.113.7 http 443 203.0.113.7");
    let v6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 54321 8080\r\n";
    assert_eq!(told(&edge, v6).await, "2001:db8::7 http 8080 2001:db8::7");
    assert_eq!(told(&edge, &v2(0x21, 0x11, V4)).await, "203.0.113.7 http 443 203.0.113.7");
    let over_tls = [V4, &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    assert_eq!(told(&edge, &v2(0x21, 0x11, &over_tls)).await, "203.0.113.7 https 443 203.0.113.7");
    edge.log_with(|line| line["client"] == "2001:db8::7").await;
}

#[tokio::test]
async fn a_proxys_own_checks_are_its_own() {
    let app = mirror().await;
    let edge = behind(&["127.0.0.1/32"], &app, |_| {}).await;
    let own = format!("127.0.0.1 http {} 127.0.0.1", edge.http.port());
    for header in
        [b"PROXY UNKNOWN\r\n".to_vec(), v2(0x20, 0, &[]), v2(0x20, 0x11, V4), v2(0x21, 0x31, &[0; 216])]
    {
        assert_eq!(told(&edge, &header).await, own);
    }
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let app = mirror().await;
    let edge = behind(&["127.0.0.1/32"], &app, |_| {}).await;
    for header in [b"PROXY TCP4 203.0.113.7 10.0.0.1 54321 443\r\n".to_vec(), v2(0x21, 0x11, V4)] {
        let mut stream = TcpStream::connect(edge.https).await.unwrap();
        stream.write_all(&header).await.unwrap();
        let mut stream = tls::connect_over(stream, &tls::config(&["http/1.1"])).await;
        stream.write_all(ASK.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(body(&answer), "203.0.113.7 https 443 203.0.113.7");
    }
}

#[tokio::test]
async fn http2_comes_after_the_header_too() {
    let app = tls::mirror().await;
    let edge = behind(&["127.0.0.1/32"], &app, |_| {}).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(&v2(0x21, 0x11, V4)).await.unwrap();
    tls::fifty_streams(stream, "http").await;
    edge.log_with(|line| line["protocol"] == "HTTP/2" && line["client"] == "203.0.113.7").await;
}

/// Nothing is guessed: a trusted proxy that sends no header is cut without an answer, counted, and nothing reaches an app.
#[tokio::test]
async fn a_trusted_proxy_without_a_header_is_cut() {
    let app = mirror().await;
    let edge = behind(&["127.0.0.1/32"], &app, |_| {}).await;
    for bytes in [ASK.to_owned(), "PROXY nonsense and more\r\n".to_owned() + ASK] {
        assert_eq!(edge.raw(bytes).await, "");
    }
    let mut stream = TcpStream::connect(edge.https).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    assert_eq!(read_all(&mut stream).await, "");
    edge.counts(&["edge_entries_failed_total{reason=\"no-proxy-header\"} 3"]).await;
    assert_eq!(edge.until(|_| true).await.requests_total, 0);
}

/// Who is no trusted proxy is himself, and what he says in a PROXY header is a request that makes no sense.
#[tokio::test]
async fn a_strangers_header_is_no_header() {
    let app = mirror().await;
    let edge = behind(&["192.0.2.0/24"], &app, |_| {}).await;
    let own = format!("127.0.0.1 http {} 127.0.0.1", edge.http.port());
    assert_eq!(told(&edge, b"").await, own);
    let v1 = format!("PROXY TCP4 203.0.113.7 10.0.0.1 54321 443\r\n{ASK}");
    assert_eq!(status(&edge.raw(v1).await), 400);
    assert_eq!(status(&edge.raw([&v2(0x21, 0x11, V4), ASK.as_bytes()].concat()).await), 400);
}

#[tokio::test]
async fn a_header_that_drips_is_cut_in_time() {
    let app = mirror().await;
    let edge =
        behind(&["127.0.0.1/32"], &app, |settings| settings.limits.header_timeout = Span::millis(300)).await;
    assert_eq!(edge.raw("PROXY TCP4 203.0.1").await, "");
    assert_eq!(edge.raw("").await, "", "one that says nothing");
    edge.counts(&["edge_entries_failed_total{reason=\"timeout\"} 2"]).await;
}

#[tokio::test]
async fn the_cap_of_connections_is_the_clients_not_the_proxys() {
    let app = mirror().await;
    let edge =
        behind(&["127.0.0.1/32"], &app, |settings| settings.limits.connections_per_address_max = 1).await;
    let from = |n: u8| format!("PROXY TCP4 203.0.113.{n} 10.0.0.1 1 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut held = TcpStream::connect(edge.http).await.unwrap();
    held.write_all(from(1).as_bytes()).await.unwrap();
    read_until(&mut held, "203.0.113.1").await;
    assert_eq!(edge.raw(from(1)).await, "", "the second of one client");
    let mut another = TcpStream::connect(edge.http).await.unwrap();
    another.write_all(from(2).as_bytes()).await.unwrap();
    read_until(&mut another, "203.0.113.2").await;
    assert_eq!(edge.until(|_| true).await.connections_refused_total, 1);
}
