//! How a CA is asked: by the one outbound client, over TLS alone, with every bound; and what it says of when to come back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header, uri::Scheme};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use net::client::{Call, Target};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// To find and reach the CA.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// To the last byte of its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Bound: of an answer; a chain of four large certificates takes 10 KiB.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// What the CA last said in `Retry-After`, beside an answer that refuses.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryAfter(Arc<Mutex<Option<Duration>>>);

impl RetryAfter {
    pub(crate) fn get(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, headers: &HeaderMap, now: SystemTime) {
        let said = headers.get(header::RETRY_AFTER).and_then(|said| said.to_str().ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said.and_then(|said| wait(said, now));
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn wait(said: &str, now: SystemTime) -> Option<Duration> {
    let seconds = said.trim().parse().map(Duration::from_secs).ok();
    seconds.or_else(|| Some(httpdate::parse_http_date(said).ok()?.duration_since(now).unwrap_or_default()))
}

/// Asks one CA.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    tls: Arc<ClientConfig>,
    pub retry_after: RetryAfter,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("nobody is trusted: {0}")]
    System(#[source] std::io::Error),
    #[error("`ca_file` of machine.toml holds no certificate that can be used: {0}")]
    Roots(String),
}

impl Http {
    /// `roots`: PEM of whom to trust; `None`: whom the system does. Blocking.
    /// # Errors
    /// Nobody is trusted.
    pub(crate) fn new(roots: Option<&str>) -> Result<Self, TrustError> {
        let tls = match roots {
            None => net::tls::client_config().map_err(TrustError::System)?,
            Some(pem) => trusting(pem).map_err(TrustError::Roots)?,
        };
        Ok(Self { tls: Arc::new(tls), retry_after: RetryAfter::default() })
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (head, body) = request.into_parts();
        let other = |words: &str| Error::Other(format!("{}: {words}", head.uri).into());
        if head.uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(other("a CA is asked by https alone"));
        }
        let authority = head.uri.authority().ok_or_else(|| other("it names no host"))?;
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let body = body.collect().await.map_err(|error| other(&error.to_string()))?.to_bytes();
        let mut call = Call::new(head.method.as_str(), path)
            .connect(CONNECT_LIMIT)
            .total(ANSWER_LIMIT)
            .answer_max(ANSWER_BYTES_MAX)
            .header(header::HOST, HeaderValue::try_from(authority.as_str()).map_err(http::Error::from)?)
            .body(body);
        for (name, value) in &head.headers {
            call = call.header(name.clone(), value.clone());
        }
        // The CA is to see who asks, and not by what library (RFC 8555, 6.1).
        const AGENT: HeaderValue = HeaderValue::from_static(concat!("mainstay/", env!("CARGO_PKG_VERSION")));
        call = call.header(header::USER_AGENT, AGENT);
        let target = Target::Host {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(443),
            tls: Some(Arc::clone(&self.tls)),
        };
        let answer = net::client::send(&target, call).await.map_err(|error| other(&error.to_string()))?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            self.retry_after.note(answer.headers(), SystemTime::now());
        }
        Ok(BytesResponse::from(answer.map(Full::new)))
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

fn trusting(pem: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it has no block `CERTIFICATE`".to_owned());
    }
    net::tls::client_config_with(roots).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_come_back_is_read_in_both_of_its_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        assert_eq!(wait("120", now), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:40:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(wait("soon", now), None);
    }

    #[test]
    fn roots_that_are_none_are_an_error_with_words() {
        assert!(Http::new(Some("nothing")).is_err_and(|error| error.to_string().contains("ca_file")));
    }
}
