//! What is shown is told, by whom nobody trusts too; and judged as a browser judges it.

use std::{net::SocketAddr, sync::Arc};

use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{Trust, encrypted};
use crate::{client::Call, devcert::development_certificate, tls};

/// A server with the development certificate, which says how it was called.
async fn server() -> (SocketAddr, RootCertStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = Arc::new(development_certificate(folder.path()).expect("made"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.end_entity_cert().expect("a leaf").clone()).expect("a root");
    let resolver = tls::Resolver::default();
    let mut all = tls::Certificates::default();
    all.fall_back_to(&certificate);
    resolver.0.store(Arc::new(all));
    let acceptor = TlsAcceptor::from(Arc::new(
        tls::server_config(Arc::new(resolver), None, tls::INTERMEDIATE).expect("a server"),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nx-seen: yes\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (address, roots, folder)
}

async fn look(address: SocketAddr, name: &str, roots: RootCertStore) -> super::Shown {
    let trust = Trust::only(roots).expect("a root");
    let (shown, answer) = encrypted(address, name, &trust, Call::new("GET", "/")).await.expect("shaken");
    assert_eq!(answer.expect("an answer").headers()["x-seen"], "yes");
    shown
}

#[tokio::test]
async fn a_certificate_is_judged_by_signer_and_name_and_looked_at_all_the_same() {
    let (address, roots, _folder) = server().await;
    let shown = look(address, "localhost", roots.clone()).await;
    assert_eq!(shown.refused, None);
    assert!(shown.leaf.names.iter().any(|name| name == "localhost") && shown.leaf.fingerprint.len() == 64);
    let other = look(address, "other.example", roots).await;
    assert!(other.refused.is_some_and(|why| why.contains("not valid for name")), "another name");
    let (_, strangers, _other) = server().await;
    let stranger = look(address, "localhost", strangers).await;
    assert!(stranger.refused.is_some_and(|why| why.contains("BadSignature")), "another signer");
}
