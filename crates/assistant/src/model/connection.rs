//! One POST to a model server, and its answer line by line.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use kit::Private;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;

const CONNECT: Duration = Duration::from_secs(5);
/// Bound: one line of a stream.
const LINE_BYTES_MAX: usize = 256 * 1_024;

/// An open answer.
pub(super) struct Connection {
    body: Incoming,
    buffer: Vec<u8>,
    ended: bool,
}

trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    pub(super) async fn post(
        url: &str,
        key: Option<&Private<String>>,
        body: String,
    ) -> Result<Self, Failure> {
        let target = Target::of(url)?;
        let stream = target.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::Connect(error.to_string()))?;
        // Ends by itself when the answer is read or dropped.
        tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::post(target.path.as_str())
            .header(http::header::HOST, &target.authority)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "text/event-stream, application/x-ndjson, application/json");
        if let Some(key) = key {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {}", key.reveal()));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::Connect("the key or address cannot stand in a header".to_owned()))?;
        let answer = sender.send_request(request).await.map_err(|_| Failure::Cut)?;
        if !answer.status().is_success() {
            return Err(Failure::Status(answer.status().as_u16()));
        }
        Ok(Self { body: answer.into_body(), buffer: Vec::new(), ended: false })
    }

    /// The next line without its end; `None` at the end of the answer. Cancel-safe: what was read stays in the buffer.
    pub(super) async fn line(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(Failure::Garbled("a line without end"));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.buffer);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => return Err(Failure::Cut),
                None => self.ended = true,
            }
        }
    }
}

/// Connects and hangs up.
pub(super) async fn reach(url: &str) -> Result<(), Failure> {
    Target::of(url)?.connect().await.map(drop)
}

struct Target {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Target {
    fn of(url: &str) -> Result<Self, Failure> {
        let uri: Uri = url.parse().map_err(|_| Failure::Connect("the address is none".to_owned()))?;
        let authority =
            uri.authority().ok_or_else(|| Failure::Connect("the address names no host".to_owned()))?;
        let tls = uri.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self { tls, host, port, authority: authority.as_str().to_owned(), path: uri.path().to_owned() })
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(|error| Failure::Connect(error.to_string()))?;
            if !self.tls {
                return Ok::<Box<dyn Stream>, Failure>(Box::new(stream));
            }
            let name = ServerName::try_from(self.host.clone())
                .map_err(|_| Failure::Connect("the host is no name for TLS".to_owned()))?;
            let stream =
                tls()?.connect(name, stream).await.map_err(|error| Failure::Connect(error.to_string()))?;
            Ok(Box::new(stream))
        };
        tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| Failure::Slow("no connection", CONNECT.as_secs()))?
    }
}

/// The machine's own certificates, read once.
fn tls() -> Result<TlsConnector, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(TlsConnector::from(Arc::clone(config)));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config
        .map_err(|error| Failure::Connect(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::clone(CONFIG.get_or_init(|| Arc::new(config)))))
}
