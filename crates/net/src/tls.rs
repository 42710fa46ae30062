//! How we encrypt: rustls with aws-lc-rs; a server's certificates by name, swapped while it runs, and whom a client trusts.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use x509_cert::der::Decode as _;

use crate::{leaf::Leaf, tickets::SharedTickets};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read the certificate {path}: {reason}")]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot read the private key {path}: {reason}")]
    Key { path: PathBuf, reason: String },
    #[error("{path} holds no certificate: it is to be PEM, with a block `CERTIFICATE` for each")]
    Empty { path: PathBuf },
    #[error(
        "the private key {path} is encrypted, and nobody is there to type its passphrase: `openssl pkey -in {path} -out FILE` writes it without one"
    )]
    Encrypted { path: PathBuf },
    #[error(
        "the key {key} belongs to certificate {place} of {certificate}, not to the first: the server's own comes first, then who has signed it"
    )]
    NotFirst { certificate: PathBuf, key: PathBuf, place: usize },
    #[error("the key {key} does not belong to the certificate {certificate}, or is of an unknown kind")]
    Mismatch {
        certificate: PathBuf,
        key: PathBuf,
        /// What is beyond these words.
        source: Option<rustls::Error>,
    },
    #[error("cannot make a configuration for TLS")]
    Config(#[source] rustls::Error),
}

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Bound: of a file. A chain of three large certificates takes 8 KiB.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Reads a PEM chain, leaf first, and its key, which must belong to it. Blocking.
pub fn read_certificate(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let unreadable = |reason: String| CertificateError::Certificate { path: certificate.to_owned(), reason };
    let text = read_bounded(certificate).map_err(|error| unreadable(error.to_string()))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty { path: certificate.to_owned() });
    }
    let unreadable = |reason: String| CertificateError::Key { path: key.to_owned(), reason };
    let text = read_bounded(key).map_err(|error| unreadable(error.to_string()))?;
    if is_encrypted(&text) {
        return Err(CertificateError::Encrypted { path: key.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    let belongs = |chain| CertifiedKey::from_der(chain, private.clone_key(), &provider());
    belongs(chain.clone()).map_err(|source| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        match chain.into_iter().position(|one| belongs(vec![one]).is_ok()) {
            Some(before) => CertificateError::NotFirst { certificate, key, place: before + 1 },
            None => {
                let source =
                    Some(source).filter(|error| !matches!(error, rustls::Error::InconsistentKeys(_)));
                CertificateError::Mismatch { certificate, key, source }
            }
        }
    })
}

/// Why a certificate is refused, where the library has no words of its own for it.
pub(crate) fn refused(error: &rustls::Error) -> String {
    let said = error.to_string();
    match said.contains("CaUsedAsEndEntity") {
        true => "it is a CA's own certificate, and not one of a server that a CA has signed".to_owned(),
        false => said,
    }
}

/// What the first certificate of a PEM chain says of itself. Blocking.
/// # Errors
/// There is none that can be read; in words.
pub fn read_leaf(certificate: &Path) -> Result<Leaf, String> {
    let text = read_bounded(certificate).map_err(|error| error.to_string())?;
    let first = CertificateDer::pem_slice_iter(&text).next().ok_or("it holds no certificate")?;
    Leaf::of(&first.map_err(|error| error.to_string())?)
}

/// By a passphrase: as PKCS #8 (RFC 5958, 3) or in OpenSSL's older form.
fn is_encrypted(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// A pipe would be waited for, so only what is a file is opened.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    let got = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(got).is_ok_and(|got| got <= FILE_BYTES_MAX);
    if fits { Ok(bytes) } else { Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes"))) }
}

/// When the leaf ends to be valid; `None`: it does not say so in a way that can be read.
pub fn expiry(certificate: &CertifiedKey) -> Option<SystemTime> {
    let leaf = x509_cert::Certificate::from_der(certificate.end_entity_cert().ok()?).ok()?;
    let since_1970 = leaf.tbs_certificate().validity().not_after.to_date_time().unix_duration();
    Some(SystemTime::UNIX_EPOCH + since_1970)
}

/// Whether the leaf names itself as who has signed it, or does not say who in a way that can be read.
pub fn is_self_signed(certificate: &CertifiedKey) -> bool {
    let leaf =
        certificate.end_entity_cert().ok().and_then(|leaf| x509_cert::Certificate::from_der(leaf).ok());
    leaf.is_none_or(|leaf| leaf.tbs_certificate().issuer() == leaf.tbs_certificate().subject())
}

/// Certificates by the names they are for.
#[derive(Debug, Default)]
pub struct Certificates {
    names: HashMap<String, Arc<CertifiedKey>>,
    fallback: Option<Arc<CertifiedKey>>,
    signed: HashSet<String>,
}

impl Certificates {
    /// `name` in lower case; `*.example.com` covers one label. The first certificate also answers names that none covers.
    pub fn add(&mut self, name: &str, certificate: &Arc<CertifiedKey>) {
        self.fallback.get_or_insert_with(|| Arc::clone(certificate));
        self.names.insert(name.to_owned(), Arc::clone(certificate));
    }

    /// Answers names that none covers, whatever is added.
    pub fn fall_back_to(&mut self, certificate: &Arc<CertifiedKey>) {
        self.fallback = Some(Arc::clone(certificate));
    }

    /// As [`Certificates::add`], unless another certificate is for this very name.
    pub fn add_if_free(&mut self, name: &str, certificate: &Arc<CertifiedKey>) {
        if !self.names.contains_key(name) {
            self.add(name, certificate);
        }
    }

    /// `name`, as it was added, has a certificate that somebody else has signed.
    pub fn note_signed(&mut self, name: &str) {
        self.signed.insert(name.to_owned());
    }

    /// Whether `name`, in lower case, is shown a certificate for it that somebody else has signed.
    pub fn is_signed(&self, name: &str) -> bool {
        // A name of its own is shown before one that covers it.
        if self.names.contains_key(name) {
            return self.signed.contains(name);
        }
        name.split_once('.').is_some_and(|(_, rest)| self.signed.contains(&format!("*.{rest}")))
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

/// Versions of TLS that a server speaks.
pub type Versions = &'static [&'static SupportedProtocolVersion];

/// What Mozilla calls "intermediate": every browser of the last ten years.
pub const INTERMEDIATE: Versions = &[&TLS13, &TLS12];
/// What Mozilla calls "modern": who knows TLS 1.3.
pub const MODERN: Versions = &[&TLS13];

/// HTTP/2 and HTTP/1.1 by ALPN, resumption by `tickets` only (nothing is stored per session).
pub fn server_config(
    resolver: Arc<Resolver>,
    tickets: Option<Arc<SharedTickets>>,
    versions: Versions,
) -> Result<ServerConfig, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
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

/// For a CA's look at a certificate that proves that a name leads here (RFC 8737): `text` is its PEM with its key, `protocol`
/// all that is spoken.
/// # Errors
/// The text holds no certificate, or no key that can be used.
pub fn challenge_config(text: &[u8], protocol: &[u8]) -> Result<ServerConfig, CertificateError> {
    let path = || PathBuf::from("the answer to a challenge");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::Certificate { path: path(), reason: error.to_string() })?;
    let private = PrivateKeyDer::from_pem_slice(text)
        .map_err(|error| CertificateError::Key { path: path(), reason: error.to_string() })?;
    let provider = provider();
    let key = provider.key_provider.load_private_key(private).map_err(CertificateError::Config)?;
    // Not compared with the key: its extension is critical, and no library that reads certificates for trust knows it.
    let mut certificates = Certificates::default();
    certificates.fall_back_to(&Arc::new(CertifiedKey::new(chain, key)));
    let resolver = Arc::new(Resolver(ArcSwap::from_pointee(certificates)));
    let mut config = server_config(resolver, None, INTERMEDIATE)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// For calls to others: TLS 1.2 and 1.3, HTTP/1.1, and whom this system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR`
/// hold here too). Reads some hundred KiB. Blocking.
/// # Errors
/// The system trusts nobody that could be read.
pub fn client_config() -> io::Result<ClientConfig> {
    client_config_with(system_roots()?).map_err(io::Error::other)
}

/// Whom this system trusts. Blocking.
/// # Errors
/// Nobody that could be read.
pub(crate) fn system_roots() -> io::Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "there is none".to_owned(), ToString::to_string);
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no certificate that this system trusts: {why}"),
        ));
    }
    Ok(roots)
}

/// As [`client_config`], trusting `roots` alone.
/// # Errors
/// The provider has none of the versions, which cannot be.
pub fn client_config_with(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
