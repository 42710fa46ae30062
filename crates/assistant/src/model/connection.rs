//! One POST to a model server, and its answer record by record: a line of JSON, or the data of an event.

use std::{
    io::{self, ErrorKind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;

const CONNECT: Duration = Duration::from_secs(5);
/// Bound: one line of a stream.
const LINE_BYTES_MAX: usize = 256 * 1_024;

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Stream,
    /// One JSON text: an error under status 200, or a server that does not stream.
    Whole,
    /// HTML of somebody in between.
    Page,
}

/// An open answer.
pub(super) struct Connection {
    body: Incoming,
    kind: Body,
    buffer: Vec<u8>,
    ended: bool,
    /// Lines of an event's data that are not yet a record.
    data: String,
    is_events: Option<bool>,
}

trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    pub(super) async fn post(
        url: &str,
        headers: &[(&'static str, String)],
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
            .header(header::HOST, &target.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream, application/x-ndjson, application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::Connect("the key or address cannot stand in a header".to_owned()))?;
        let answer = sender.send_request(request).await.map_err(|_| Failure::Cut)?;
        if !answer.status().is_success() {
            let retry_after = retry_after(answer.headers());
            return Err(Failure::Status { status: answer.status().as_u16(), retry_after });
        }
        let kind = kind(answer.headers());
        let (buffer, data) = (Vec::new(), String::new());
        Ok(Self { body: answer.into_body(), kind, buffer, ended: false, data, is_events: None })
    }

    pub(super) fn body(&self) -> Body {
        self.kind
    }

    /// The next record; `None` at the end of the answer. Cancel-safe: what was read stays here.
    ///
    /// Events are those of the HTML standard (9.2.6): `data` lines up to a blank one are one record. A line that begins
    /// with `{` is a record by itself, as Ollama sends them.
    pub(super) async fn record(&mut self) -> Result<Option<String>, Failure> {
        loop {
            let Some(line) = self.line().await? else {
                return Ok(Some(std::mem::take(&mut self.data)).filter(|data| !data.is_empty()));
            };
            if line.is_empty() {
                if !self.data.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.data)));
                }
                continue;
            }
            if !*self.is_events.get_or_insert(!line.starts_with('{')) {
                return Ok(Some(line));
            }
            let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
            if self.data.len() + data.len() > LINE_BYTES_MAX {
                return Err(Failure::Garbled("an event without end"));
            }
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data);
        }
    }

    /// The answer in one piece, of at most `bytes_max`.
    pub(super) async fn whole(&mut self, bytes_max: usize) -> Result<String, Failure> {
        while !self.ended {
            self.fill().await?;
            if self.buffer.len() > bytes_max {
                return Err(Failure::Garbled("an answer without end"));
            }
        }
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned())
    }

    /// The next line without its end; `None` at the end of the answer.
    async fn line(&mut self) -> Result<Option<String>, Failure> {
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
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).trim_end().to_owned()));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => return Err(Failure::Cut),
            None => self.ended = true,
        }
        Ok(())
    }
}

fn kind(headers: &HeaderMap) -> Body {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Body::Whole,
        "text/html" => Body::Page,
        _ => Body::Stream,
    }
}

/// Seconds or a date (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

/// What a person is told of it; the number of the error tells nobody anything.
fn in_words(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nobody listens at its address",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no way leads to its address",
        ErrorKind::TimedOut => "its address does not answer",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "it hung up",
        _ => "its address leads nowhere",
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
                .map_err(|error| Failure::Connect(in_words(&error).to_owned()))?;
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
