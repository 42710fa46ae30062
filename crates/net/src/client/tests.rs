//! Calls to others, encrypted: to who is trusted by name, and to nobody else; and only the beginning of an answer.

use std::sync::Arc;

use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{Call, Failure, Target, send};
use crate::{devcert::development_certificate, tls};

/// A server with the development certificate, which answers with a body that never ends; and who trusts it.
async fn server(at: &str) -> (u16, RootCertStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = Arc::new(development_certificate(folder.path()).expect("made"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.end_entity_cert().expect("a leaf").clone()).expect("a root");
    let mut all = tls::Certificates::default();
    all.add("localhost", &certificate);
    let resolver = tls::Resolver::default();
    resolver.0.store(Arc::new(all));
    let acceptor = TlsAcceptor::from(Arc::new(
        tls::server_config(Arc::new(resolver), None, tls::INTERMEDIATE).expect("a server"),
    ));
    let listener = TcpListener::bind((at, 0)).await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(b"5\r\nagain\r\n").await.is_ok() {}
        }
    });
    (port, roots)
}

fn target(host: &str, port: u16, roots: RootCertStore) -> Target {
    let tls = Some(Arc::new(tls::client_config_with(roots).expect("a client")));
    Target::Host { host: host.to_owned(), port, tls }
}

#[tokio::test]
async fn who_is_trusted_is_asked_and_only_the_beginning_of_the_answer_is_read() {
    let (port, roots) = server("127.0.0.1").await;
    let call = Call::new("POST", "/").cut_answer_at(100).cut_answer_when(|_| true);
    let answer = send(&target("localhost", port, roots), call).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.body().starts_with(b"again") && answer.body().len() <= 100, "{answer:?}");
}

#[tokio::test]
async fn whom_nobody_trusts_and_who_has_another_name_is_told_nothing() {
    let (port, _) = server("127.0.0.1").await;
    let refused = |target: Target| async move { send(&target, Call::new("GET", "/")).await.map(drop) };
    let untrusted = refused(target("localhost", port, RootCertStore::empty())).await;
    assert!(matches!(untrusted, Err(Failure::Tls(_))), "{untrusted:?}");
    let (port, roots) = server("127.0.0.2").await;
    let other_name = refused(target("127.0.0.2", port, roots)).await;
    assert!(matches!(other_name, Err(Failure::Tls(_))), "{other_name:?}");
}
