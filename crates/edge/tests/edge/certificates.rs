//! Certificates that change on the disk while the edge runs.

use std::{path::Path, time::Instant};

use edge::{control::CertificateStatus, settings::Certificate};
use model::Span;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{support::*, tls};

const HOST: &str = "chat.example.com";

struct Pair {
    cert: String,
    key: String,
    der: Vec<u8>,
}

/// A new one for [`HOST`].
fn pair(until_year: i32) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
    let cert = params.self_signed(&key).unwrap();
    Pair { cert: cert.pem(), key: key.serialize_pem(), der: cert.der().to_vec() }
}

impl Pair {
    fn put(&self, folder: &Path) {
        replace(folder, "cert.pem", &self.cert);
        replace(folder, "key.pem", &self.key);
    }
}

/// As a tool that renews does it.
fn replace(folder: &Path, name: &str, text: &str) {
    let new = folder.join("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join(name)).unwrap();
}

async fn with_files(folder: &Path, app: &App) -> Edge {
    Edge::start_with(&live(&[app]), |settings| {
        settings.tls.look_every = Span::millis(20);
        settings.tls.certificates = vec![Certificate {
            names: vec![HOST.to_owned()],
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        }];
    })
    .await
}

/// What the edge shows for the host.
async fn shown(edge: &Edge) -> Vec<u8> {
    let stream = tls::connect_to(edge, HOST, &tls::config(&["http/1.1"])).await;
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

async fn until_told(edge: &Edge, holds: impl Fn(&CertificateStatus) -> bool) {
    edge.until(|status| status.certificates.first().is_some_and(&holds)).await;
}

async fn until_shown(edge: &Edge, pair: &Pair) {
    let start = Instant::now();
    while shown(edge).await != pair.der {
        assert!(start.elapsed() < PATIENCE, "it is never shown");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_no_connection_notices() {
    let folder = tempfile::tempdir().unwrap();
    let first = pair(2090);
    first.put(folder.path());
    let app = App::named("ok").await;
    let edge = with_files(folder.path(), &app).await;
    assert_eq!(shown(&edge).await, first.der);
    let mut held = tls::connect_to(&edge, HOST, &tls::config(&["http/1.1"])).await;

    let second = pair(2091);
    replace(folder.path(), "cert.pem", &second.cert);
    until_told(&edge, |told| {
        told.problem.as_deref().is_some_and(|problem| problem.contains("does not belong"))
    })
    .await;
    assert_eq!(shown(&edge).await, first.der, "half of a pair is none");
    replace(folder.path(), "key.pem", &second.key);
    until_shown(&edge, &second).await;
    until_told(&edge, |told| told.problem.is_none() && told.expires_unix_s == Some(3_818_448_000)).await;

    held.write_all(b"GET / HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    held.read_to_string(&mut answer).await.unwrap();
    assert_eq!(body(&answer), "ok", "on the connection of before");
}

#[tokio::test]
async fn what_is_broken_is_kept_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let good = pair(2090);
    good.put(folder.path());
    let app = App::named("ok").await;
    let edge = with_files(folder.path(), &app).await;
    let broken = [
        ("cert.pem", good.cert[..good.cert.len() / 2].to_owned(), "cannot read the certificate"),
        ("cert.pem", String::new(), "holds no certificate"),
        ("key.pem", "nothing".to_owned(), "cannot read the private key"),
        ("cert.pem", "x".repeat(300 << 10), "more than"),
    ];
    for (name, text, words) in broken {
        replace(folder.path(), name, &text);
        until_told(&edge, |told| {
            told.served && told.problem.as_deref().is_some_and(|told| told.contains(words))
        })
        .await;
        assert_eq!(shown(&edge).await, good.der, "{words}");
        good.put(folder.path());
        until_told(&edge, |told| told.problem.is_none()).await;
    }
    std::fs::remove_file(folder.path().join("key.pem")).unwrap();
    until_told(&edge, |told| told.problem.as_deref().is_some_and(|told| told.contains("cannot look at")))
        .await;
    pair(2001).put(folder.path());
    until_told(&edge, |told| told.problem.as_deref().is_some_and(|told| told.contains("expired"))).await;
    assert_eq!(shown(&edge).await, good.der);
}

/// One host's broken file is no reason to serve nobody, and it is served once it is mended.
#[tokio::test]
async fn an_edge_starts_beside_a_broken_pair_and_takes_it_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::named("ok").await;
    let edge = with_files(folder.path(), &app).await;
    until_told(&edge, |told| !told.served && told.problem.is_some()).await;
    let good = pair(2090);
    good.put(folder.path());
    until_shown(&edge, &good).await;
    until_told(&edge, |told| told.served && told.problem.is_none()).await;
    let metrics = edge.client.metrics().await.unwrap();
    assert!(metrics.contains("edge_certificate_expiry_timestamp_seconds{cert=\""), "{metrics}");
}
