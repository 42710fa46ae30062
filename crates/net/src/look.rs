//! Looks at what a server shows to whoever comes: its certificate, trusted or not, and its answer.
//!
//! The one place where a certificate that nobody trusts does not end a connection: nothing but what is public is asked,
//! and nothing secret is sent.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::Response;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    client::{Call, Failure, over},
    leaf::Leaf,
    tls,
};

/// What a server showed of itself.
#[derive(Clone, Debug)]
pub struct Shown {
    pub leaf: Leaf,
    /// Why a browser of this system would refuse it: who has signed it, its names, its days. `None`: it would not.
    pub refused: Option<String>,
}

/// Whom this system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` hold).
#[derive(Clone, Debug)]
pub struct Trust(Arc<WebPkiServerVerifier>);

impl Trust {
    /// Blocking: reads some hundred KiB.
    ///
    /// # Errors
    /// The system trusts nobody that could be read.
    pub fn of_this_system() -> io::Result<Self> {
        Self::only(tls::system_roots()?).map_err(io::Error::other)
    }

    /// # Errors
    /// There is no root among them.
    pub fn only(roots: RootCertStore) -> Result<Self, rustls::client::VerifierBuilderError> {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider());
        Ok(Self(builder.build()?))
    }
}

/// Shakes hands with whoever is at `address` as a browser does that wants `name`, then sends `call`, whose `Host` is the
/// caller's to say. Within the bounds of the call.
///
/// # Errors
/// There is no connection, no handshake (then nothing was shown), or no answer.
pub async fn encrypted(
    address: SocketAddr,
    name: &str,
    trust: &Trust,
    call: Call,
) -> Result<(Shown, Result<Response<Bytes>, Failure>), Failure> {
    let total = call.total;
    timeout(total, shaken(address, name, trust, call)).await.map_err(|_| Failure::Timeout(total))?
}

async fn shaken(
    address: SocketAddr,
    name: &str,
    trust: &Trust,
    call: Call,
) -> Result<(Shown, Result<Response<Bytes>, Failure>), Failure> {
    let invalid = |error: String| Failure::Tls(io::Error::new(io::ErrorKind::InvalidInput, error));
    let witness = Arc::new(Witness { trust: trust.clone(), seen: Mutex::default() });
    let server = ServerName::try_from(name.to_owned()).map_err(|error| invalid(error.to_string()))?;
    let late = |_| Failure::ConnectTimeout(call.connect);
    let stream = timeout(call.connect, TcpStream::connect(address)).await.map_err(late)?;
    let connector =
        TlsConnector::from(Arc::new(config(&witness).map_err(|error| invalid(error.to_string()))?));
    let stream = connector.connect(server, stream.map_err(Failure::Connect)?).await.map_err(Failure::Tls)?;
    let seen = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (leaf, refused) = seen.ok_or_else(|| invalid("no certificate was shown".to_owned()))?;
    let leaf =
        Leaf::of(&leaf).map_err(|error| invalid(format!("the certificate cannot be read: {error}")))?;
    Ok((Shown { leaf, refused }, over(stream, call).await))
}

fn config(witness: &Arc<Witness>) -> Result<ClientConfig, rustls::Error> {
    let versions =
        ClientConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions()?;
    let verifier = Arc::clone(witness);
    let mut config = versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Has the certificate judged as a browser would, keeps the judgement, and lets the handshake go on.
#[derive(Debug)]
struct Witness {
    trust: Trust,
    seen: Mutex<Option<(CertificateDer<'static>, Option<String>)>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.trust.0.verify_server_cert(leaf, chain, name, ocsp, now);
        let refused = judged.err().map(|error| tls::refused(&error));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((leaf.clone().into_owned(), refused));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.0.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.0.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
