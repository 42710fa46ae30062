//! How a server of ours encrypts: rustls with aws-lc-rs, certificates by name, swapped while it runs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::tickets::SharedTickets;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read the certificate {path}: {reason}")]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot read the private key {path}: {reason}")]
    Key { path: PathBuf, reason: String },
    #[error("{path} holds no certificate")]
    Empty { path: PathBuf },
    #[error("the key {key} does not belong to the certificate {certificate}, or is of an unknown kind")]
    Mismatch { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("cannot make a configuration for TLS")]
    Config(#[source] rustls::Error),
}

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Reads a PEM chain, leaf first, and its key. Blocking.
pub fn read_certificate(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let unreadable = |error: rustls_pki_types::pem::Error| CertificateError::Certificate {
        path: certificate.to_owned(),
        reason: error.to_string(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty { path: certificate.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| CertificateError::Key { path: key.to_owned(), reason: error.to_string() })?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|source| CertificateError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

/// Certificates by the names they are for.
#[derive(Debug, Default)]
pub struct Certificates {
    names: HashMap<String, Arc<CertifiedKey>>,
    fallback: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// `name` in lower case; `*.example.com` covers one label. The first certificate also answers names that none covers.
    pub fn add(&mut self, name: &str, certificate: &Arc<CertifiedKey>) {
        self.fallback.get_or_insert_with(|| Arc::clone(certificate));
        self.names.insert(name.to_owned(), Arc::clone(certificate));
    }

    /// Answers names that no other certificate covers.
    pub fn set_fallback(&mut self, certificate: Arc<CertifiedKey>) {
        self.fallback = Some(certificate);
    }

    /// For a name of a ClientHello; `None`: it named none.
    pub fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let exact = name.and_then(|name| self.names.get(name));
        let wild = || self.names.get(&format!("*.{}", name?.split_once('.')?.1));
        exact.or_else(wild).or(self.fallback.as_ref()).cloned()
    }
}

/// Answers handshakes from a set that may be replaced at any time.
#[derive(Debug, Default)]
pub struct Resolver(pub ArcSwap<Certificates>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name())
    }
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, resumption by `tickets` only (nothing is stored per session).
pub fn server_config(
    resolver: Arc<Resolver>,
    tickets: Option<Arc<SharedTickets>>,
) -> Result<ServerConfig, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Config)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match tickets {
        Some(tickets) => config.ticketer = tickets,
        None => config.send_tls13_tickets = 0,
    }
    Ok(config)
}
