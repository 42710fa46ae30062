//! TLS: HTTP/1.1 and HTTP/2 by ALPN, tickets, WebSockets over HTTP/2.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use edge::settings::Certificate;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use net::tickets::Seeds;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::support::*;

/// The development certificate is self-signed; what is tested is not the chain.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        net::tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

pub fn config(alpn: &[&str]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A GET on a connection of its own; the whole answer.
pub async fn get_over_tls(edge: &Edge, path: &str) -> String {
    let mut stream = connect(edge, &config(&["http/1.1"])).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn connect(edge: &Edge, config: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    connect_over(TcpStream::connect(edge.https).await.unwrap(), config).await
}

pub async fn connect_to(edge: &Edge, host: &'static str, config: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(edge.https).await.unwrap();
    let name = ServerName::try_from(host).unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await.unwrap()
}

pub async fn connect_over(stream: TcpStream, config: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await.unwrap()
}

pub async fn mirror() -> App {
    App::start(|request| async move {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        let proto = request.headers()["x-forwarded-proto"].to_str().unwrap().to_owned();
        let path = request.uri().to_string();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(format!("{host} {proto} {path} {}", body.len())))
    })
    .await
}

#[tokio::test]
async fn http1_over_tls_with_the_development_certificate() {
    let app = mirror().await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = connect(&edge, &config(&["http/1.1"])).await;
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(body(&answer), "localhost https /x 0");
}

#[tokio::test]
async fn many_streams_of_http2_get_their_own_answers() {
    let app = mirror().await;
    let edge = Edge::start(&live(&[&app])).await;
    let stream = connect(&edge, &config(&["h2"])).await;
    fifty_streams(stream, "https").await;
    edge.log_with(|line| line["protocol"] == "HTTP/2" && line["tls"] == true).await;
}

/// RFC 9113, 3.3: a client that knows begins with the preface, without TLS and without an upgrade.
#[tokio::test]
async fn http2_without_tls_is_known_by_its_first_bytes() {
    let app = mirror().await;
    let edge = Edge::start(&live(&[&app])).await;
    let stream = TcpStream::connect(edge.http).await.unwrap();
    fifty_streams(stream, "http").await;
    edge.log_with(|line| line["protocol"] == "HTTP/2" && line["tls"] == false).await;
}

pub async fn fifty_streams<S>(stream: S, scheme: &'static str)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..50_usize {
        let mut sender = sender.clone();
        asked.spawn(async move {
            let payload = Bytes::from(vec![b'x'; if n.is_multiple_of(2) { 0 } else { n * 1000 }]);
            let method = if payload.is_empty() { "GET" } else { "POST" };
            let request = Request::builder().method(method).uri(format!("{scheme}://localhost:99/{n}"));
            let length = payload.len();
            let answer = sender.send_request(request.body(Full::new(payload)).unwrap()).await.unwrap();
            assert!(answer.headers().contains_key("x-request-id"));
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, format!("localhost:99 {scheme} /{n} {length}"));
        });
    }
    while let Some(result) = asked.join_next().await {
        result.unwrap();
    }
}

/// How a client that remembers shakes hands with these edges, one after the other.
async fn handshakes(edges: &[&Edge]) -> Vec<HandshakeKind> {
    let config = config(&["http/1.1"]);
    let mut kinds = Vec::new();
    for edge in edges {
        let mut stream = connect(edge, &config).await;
        stream.write_all(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
    }
    kinds
}

#[tokio::test]
async fn a_session_is_resumed_by_its_ticket() {
    let app = mirror().await;
    let edge = Edge::start(&live(&[&app])).await;
    assert_eq!(handshakes(&[&edge, &edge]).await, [HandshakeKind::Full, HandshakeKind::Resumed]);
}

#[tokio::test]
async fn without_tickets_every_handshake_is_full() {
    let app = mirror().await;
    let without = |settings: &mut edge::Settings| settings.tls.session_tickets = false;
    let edge = Edge::start_with(&live(&[&app]), without).await;
    assert_eq!(handshakes(&[&edge, &edge]).await, [HandshakeKind::Full, HandshakeKind::Full]);
}

/// The tickets of one generation are the next one's, also where the seeds were renewed between them: both derive their
/// keys from the same file.
#[tokio::test]
async fn the_next_edge_resumes_what_this_one_began() {
    let app = mirror().await;
    let seeds = Seeds::create("ticket-seed").unwrap();
    let first = Edge::start_sharing(&live(&[&app]), &seeds).await;
    Seeds::open(&seeds).unwrap().renew().unwrap();
    let second = Edge::start_sharing(&live(&[&app]), &seeds).await;
    let kinds = handshakes(&[&first, &second, &first]).await;
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
}

/// What a client says first when it names `host` as its server.
fn client_hello(host: &'static str) -> Vec<u8> {
    let name = ServerName::try_from(host).unwrap();
    let mut client = rustls::ClientConnection::new(config(&["http/1.1"]), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

async fn answer_to(edge: &Edge, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(edge.https).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// An alert record of TLS: fatal, and why.
const ILLEGAL_PARAMETER: [u8; 2] = [2, 47];

/// RFC 6066 has no port in a server name. That such a client is refused is no wish of ours (decision 9), but it is told.
#[tokio::test]
async fn a_handshake_that_fails_is_counted_by_its_reason() {
    let app = mirror().await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut hello = client_hello("chat.example.comz443");
    let at = hello.windows(5).position(|window| window == b"mz443").unwrap();
    hello[at + 1] = b':';
    assert!(answer_to(&edge, &hello).await.ends_with(&ILLEGAL_PARAMETER));
    answer_to(&edge, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    drop(TcpStream::connect(edge.https).await.unwrap());
    let wanted = ["bad-server-name", "not-tls", "left"];
    let wanted = wanted.map(|reason| format!("edge_entries_failed_total{{reason=\"{reason}\"}} 1"));
    edge.counts(&wanted.each_ref().map(String::as_str)).await;
}

#[tokio::test]
async fn a_shutdown_lets_an_http2_stream_end() {
    let app = App::start(|_| async {
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        Response::new(full("done"))
    })
    .await;
    let mut edge = Edge::start(&live(&[&app])).await;
    let stream = connect(&edge, &config(&["h2"])).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let get = || Request::get("https://localhost/slow").body(Full::new(Bytes::new())).unwrap();
    let slow = sender.send_request(get());
    edge.until(|status| status.pools[0].active.http == 1).await;
    let (ended, answer) = tokio::join!(edge.stop(std::time::Duration::from_secs(10)), slow);
    let text = answer.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "done");
    ended.unwrap();
    assert!(sender.send_request(get()).await.is_err());
}

/// RFC 8441: an extended CONNECT becomes an upgrade at the app.
#[tokio::test]
async fn a_websocket_over_http2_reaches_the_app() {
    let app = App::start(|mut request| async move {
        if !request.headers().contains_key("sec-websocket-key") {
            return Response::new(full("plain"));
        }
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut reads, mut writes) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
            let _ = tokio::io::copy(&mut reads, &mut writes).await;
        });
        let answer =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        answer.body(full("")).unwrap()
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let stream = connect(&edge, &config(&["h2"])).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    // The server's settings say that extended CONNECT is known; they have come once an answer has.
    let get = Request::get("https://localhost/").body(Full::new(Bytes::new())).unwrap();
    sender.send_request(get).await.unwrap();
    let mut connect = Request::connect("https://localhost/ws").body(Full::new(Bytes::new())).unwrap();
    connect.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    let mut answer = sender.send_request(connect).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
    let frame = [0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o'];
    stream.write_all(&frame).await.unwrap();
    stream.flush().await.unwrap();
    let mut back = [0; 11];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(back, frame);
    edge.until(|status| status.pools[0].active.websocket == 1).await;
}

/// A certificate for `name` and its key, in files below `folder`.
fn written(folder: &Path, name: &str, cert: &rcgen::Certificate, key: &KeyPair) -> Certificate {
    let (cert_file, key_file) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&cert_file, cert.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    Certificate { names: vec![name.to_owned()], cert: cert_file, key: key_file }
}

/// One that another than itself has signed.
pub(crate) fn signed_by_a_ca(folder: &Path, name: &str) -> Certificate {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "a CA");
    let authority = Issuer::new(params, KeyPair::generate().unwrap());
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    written(folder, name, &cert, &key)
}

/// W-E19, RFC 6797.
#[tokio::test]
async fn hsts_is_said_over_tls_of_names_with_a_certificate_of_a_ca_and_never_else() {
    let folder = tempfile::tempdir().unwrap();
    let signed = signed_by_a_ca(folder.path(), "signed.example");
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(["own.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let own = written(folder.path(), "own.example", &cert, &key);

    let app = App::start(|request| async move {
        let mut answer = Response::new(full("ok"));
        if request.uri().path() == "/own" {
            answer.headers_mut().insert("strict-transport-security", "max-age=1; preload".parse().unwrap());
        }
        answer
    })
    .await;
    let edge = Edge::start_with(&live(&[&app]), |settings| {
        settings.tls.certificates = vec![signed, own];
        settings.tls.hsts = Some(model::Span::secs(60));
    })
    .await;
    let said = async |host: &'static str, path: &str| {
        let mut stream = connect_to(&edge, host, &config(&["http/1.1"])).await;
        let asked = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let line = |line: &str| line.strip_prefix("strict-transport-security: ").map(str::to_owned);
        answer.lines().find_map(line)
    };
    assert_eq!(said("signed.example", "/").await.as_deref(), Some("max-age=60"));
    assert_eq!(
        said("signed.example", "/own").await.as_deref(),
        Some("max-age=1; preload"),
        "the app's own word"
    );
    assert_eq!(said("own.example", "/").await, None, "nobody trusts it");
    assert_eq!(said("localhost", "/").await, None);
    let plain = edge.raw("GET / HTTP/1.1\r\nHost: signed.example\r\nConnection: close\r\n\r\n").await;
    assert!(status(&plain) == 200 && !plain.contains("strict-transport-security"), "{plain}");
}
