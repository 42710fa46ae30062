//! What a CA sees that looks whether a name leads here, and what everybody else sees.

use std::{io::ErrorKind, path::Path};

use model::manifest::RouteTls;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::ServerName;
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::TlsConnector;

use super::{support::*, tls};

const HOST: &str = "chat.example.com";

/// An edge whose route wants TLS, beside the station's folder.
async fn beside(folder: &Path, app: &App) -> Edge {
    let mut table = live(&[app]);
    table.sites[0].routes[0].route.tls = RouteTls::Required;
    std::fs::create_dir_all(folder.join("challenges")).unwrap();
    Edge::start_with(&table, |settings| settings.tls.acme = Some(folder.to_owned())).await
}

async fn ask(edge: &Edge, method: &str, path: &str) -> String {
    edge.raw(format!(
        "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))
    .await
}

/// EDGE-01, RFC 8555, 8.3.
#[tokio::test]
async fn a_cas_question_is_answered_over_plain_http_and_all_else_is_sent_to_https() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::named("ok").await;
    let edge = beside(folder.path(), &app).await;
    std::fs::write(folder.path().join("challenges/token-1"), "token-1.thumb").unwrap();
    std::fs::write(folder.path().join("secret"), "no answer").unwrap();
    let answer = ask(&edge, "GET", "/.well-known/acme-challenge/token-1").await;
    assert_eq!((status(&answer), body(&answer).as_str()), (200, "token-1.thumb"));
    for path in ["token-2", "../secret", "..%2fsecret", "", "token-1/", "token-1?a", "."] {
        let answer = ask(&edge, "GET", &format!("/.well-known/acme-challenge/{path}")).await;
        let wanted = if path == "token-1?a" { 200 } else { 301 };
        assert_eq!(status(&answer), wanted, "{path}: {answer}");
    }
    assert_eq!(status(&ask(&edge, "POST", "/.well-known/acme-challenge/token-1").await), 308);
    std::fs::remove_file(folder.path().join("challenges/token-1")).unwrap();
    assert_eq!(
        status(&ask(&edge, "GET", "/.well-known/acme-challenge/token-1").await),
        301,
        "it has been looked at"
    );
}

#[tokio::test]
async fn an_edge_without_the_stations_folder_leaves_the_question_to_the_app() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    let answer = ask(&edge, "GET", "/.well-known/acme-challenge/token-1").await;
    assert_eq!((status(&answer), body(&answer).as_str()), (200, "ok"));
}

/// RFC 8737.
#[tokio::test]
async fn a_ca_that_looks_by_tls_is_shown_the_proof_and_others_what_they_always_are() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::named("ok").await;
    let edge = beside(folder.path(), &app).await;
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let made = params.self_signed(&key).unwrap();
    let file = folder.path().join(format!("challenges/{HOST}.alpn"));
    std::fs::write(&file, made.pem() + &key.serialize_pem()).unwrap();

    let looks = || async {
        let name = ServerName::try_from(HOST).unwrap();
        let stream = TcpStream::connect(edge.https).await.unwrap();
        TlsConnector::from(tls::config(&["acme-tls/1"])).connect(name, stream).await
    };
    let mut shown = looks().await.unwrap();
    let (_, connection) = shown.get_ref();
    assert_eq!(connection.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(connection.peer_certificates().unwrap()[0].as_ref(), made.der().as_ref());
    // Nothing else is spoken on it.
    let end = shown.read(&mut [0; 16]).await;
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof));

    for alpn in [&["http/1.1"][..], &["h2", "acme-tls/1", "http/1.1"]] {
        let stream = tls::connect_to(&edge, HOST, &tls::config(alpn)).await;
        let (_, connection) = stream.get_ref();
        assert_ne!(connection.alpn_protocol(), Some(&b"acme-tls/1"[..]));
        assert_ne!(connection.peer_certificates().unwrap()[0].as_ref(), made.der().as_ref());
    }
    std::fs::remove_file(file).unwrap();
    assert!(looks().await.is_err(), "there is nothing to be shown");
}
