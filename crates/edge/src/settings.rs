//! What the edge is started with: one JSON file, written 0600 by the keeper, read once.
//!
//! Every key but the paths has a default. The routing table is not here: it changes while the edge runs.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use machine::formats;
use model::{ByteSize, Span};
use serde::{Deserialize, Serialize};

/// Version of the file; a reader accepts this one and the one before.
pub const FORMAT: u32 = 1;

/// The edge's settings. Build one with [`Settings::new`], change what differs, write it with [`Settings::write`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub format: u32,
    /// The routing table, `<run>/edge/routes.json`. It may be missing at start: nothing is deployed.
    pub table: PathBuf,
    /// Unix socket of the control API; made by the edge, 0660. A new edge beside an old one needs a path of its own.
    pub control: PathBuf,
    /// Unix socket that requests of the gate come in by; made by the edge, 0660. `None`: no such listener.
    #[serde(default)]
    pub private: Option<PathBuf>,
    /// What `x-mainstay-token` must hold on the private listener. `None`: every such request is refused.
    #[serde(default)]
    pub token: Option<Token>,
    /// Folder that survives restarts: `served.json` and the development certificate.
    pub state: PathBuf,
    #[serde(default)]
    pub access_log: Option<AccessLog>,
    /// JSON lines, one for each report of a browser about a page's policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csp_log: Option<AccessLog>,
    /// Threads that serve; `None`: one per core, at most 8.
    #[serde(default)]
    pub workers: Option<NonZeroUsize>,
    #[serde(default)]
    pub limits: Limits,
    /// Peers whose word about the client is taken.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    #[serde(default)]
    pub client_ip: ClientIp,
    #[serde(default)]
    pub tls: Tls,
    /// Port of `https://` in redirects; `None`: that of the `https` listener.
    #[serde(default)]
    pub https_port: Option<u16>,
    /// Bound of the drain that SIGTERM begins.
    #[serde(default = "default_shutdown")]
    pub shutdown_within: Span,
}

fn default_shutdown() -> Span {
    Span::secs(90)
}

/// The private listener's token. `Debug` hides it; it is written to the 0600 settings file alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// JSON lines, one per request. Rotated by size: `access.log`, `access.log.1`, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    pub path: PathBuf,
    /// Of one file.
    #[serde(default = "default_log_bytes")]
    pub max_bytes: ByteSize,
    /// Rotated files that are kept beside the current one.
    #[serde(default = "default_log_keep")]
    pub keep: u32,
    /// Whether the query is logged with the path. Queries hold tokens and names, so not by default.
    #[serde(default)]
    pub query: bool,
}

fn default_log_bytes() -> ByteSize {
    ByteSize::mib(50)
}

fn default_log_keep() -> u32 {
    4
}

/// How the client's address is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientIp {
    /// Who connected.
    #[default]
    Peer,
    /// The rightmost address in `X-Forwarded-For` that is no trusted proxy, if the peer is one.
    XForwardedFor,
    /// `CF-Connecting-IP`, if the peer is a trusted proxy.
    CfConnectingIp,
    /// The PROXY header that a trusted proxy sends first; one that sends none is cut.
    ProxyProtocol,
}

/// Bounds on what strangers can take. All times are those after which the edge gives up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open client connections in all; more are closed at once.
    pub connections_max: usize,
    /// Of one client address (IPv6: of one /64); trusted proxies are exempt.
    pub connections_per_address_max: usize,
    /// Head of a request, all of it; more is answered 431, and 414 if the address alone is longer.
    pub header_bytes_max: ByteSize,
    /// Header lines; more is answered 431.
    pub headers_max: usize,
    /// From the first byte of a head to its end, then 408; and of PROXY header and TLS handshake together.
    pub header_timeout: Span,
    /// A client's connection without a request; less where more than three quarters of `connections_max` are open.
    pub keep_alive_timeout: Span,
    /// Between two bytes of a request's body; then 408.
    pub body_idle_timeout: Span,
    /// Bytes a second that a body must make on average once it was waited for 20 s: a request's while it comes, an answer's
    /// while the client lets it wait.
    pub body_rate_min: ByteSize,
    /// A client that takes no byte of its answer for this long is cut; over HTTP/2 that answer.
    pub send_timeout: Span,
    /// To an upstream.
    pub connect_timeout: Span,
    /// From the edge's start on, a request for a pool of which nothing was ready yet waits for its first: apps start
    /// with the machine, after the edge.
    pub first_ready_within: Span,
    /// A pooled upstream connection without a request.
    pub upstream_idle_timeout: Span,
    /// Idle upstream connections that one worker keeps per upstream.
    pub upstream_idle_max: usize,
    /// Requests that one HTTP/2 connection may have open.
    pub h2_streams_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_address_max: 2_048,
            header_bytes_max: ByteSize::kib(32),
            headers_max: 100,
            header_timeout: Span::secs(15),
            keep_alive_timeout: Span::secs(75),
            body_idle_timeout: Span::secs(60),
            body_rate_min: ByteSize(512),
            send_timeout: Span::secs(60),
            connect_timeout: Span::secs(5),
            first_ready_within: Span::secs(30),
            upstream_idle_timeout: Span::secs(1),
            upstream_idle_max: 256,
            h2_streams_max: 128,
        }
    }
}

/// Which versions of TLS are spoken, in Mozilla's words. The suites are rustls's: AEAD alone, each with a key of its own for each
/// connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsProfile {
    /// TLS 1.2 and 1.3.
    #[default]
    Intermediate,
    /// TLS 1.3 alone.
    Modern,
}

impl TlsProfile {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn versions(self) -> net::tls::Versions {
        match self {
            Self::Intermediate => net::tls::INTERMEDIATE,
            Self::Modern => net::tls::MODERN,
        }
    }
}

/// Certificates, versions and tickets; it matters only where an `https` listener is inherited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    pub certificates: Vec<Certificate>,
    /// Folder in which the station puts certificates (`<name>/now/chain.pem`, `key.pem`; `_.` stands for `*.`) and, below
    /// `challenges`, what CAs are answered. `None`: nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<PathBuf>,
    /// Makes a self-signed certificate (kept in the state folder) for names that no file covers.
    pub development: bool,
    #[serde(skip_serializing_if = "TlsProfile::is_usual")]
    pub profile: TlsProfile,
    /// Resumption by tickets whose keys all generations of the edge share (TLS-03 asks to switch it off in places).
    pub session_tickets: bool,
    /// How long browsers are told to come by HTTPS alone, of names whose certificate a CA has signed. `None`: nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Span>,
    /// How often the files of certificates are looked at; a change is served after the second look that sees it.
    pub look_every: Span,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            acme: None,
            development: true,
            profile: TlsProfile::default(),
            session_tickets: true,
            hsts: None,
            look_every: Span::secs(5),
        }
    }
}

/// A certificate in files: PEM, chain from the leaf up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Lower case; `*.example.com` covers one label.
    pub names: Vec<String>,
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the edge's settings {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} holds no settings of the edge")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{} has format {found}, this edge reads up to {}", path.display(), formats::current(FORMAT))]
    Format { path: PathBuf, found: u32 },
    #[error("cannot write the edge's settings {path}")]
    Write { path: PathBuf, source: std::io::Error },
}

impl Settings {
    /// Defaults for an edge whose sockets and table are in `run` (`<run>/edge`) and whose memory is in `state`.
    pub fn new(run: &Path, state: &Path) -> Self {
        Self {
            format: formats::current(FORMAT),
            table: run.join("routes.json"),
            control: run.join("control.sock"),
            private: Some(run.join("private.sock")),
            token: None,
            state: state.to_owned(),
            access_log: None,
            csp_log: None,
            workers: None,
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            client_ip: ClientIp::default(),
            tls: Tls::default(),
            https_port: None,
            shutdown_within: default_shutdown(),
        }
    }

    /// Reads and checks the file. Blocking.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let settings: Self = serde_json::from_slice(&text)
            .map_err(|source| SettingsError::Parse { path: path.to_owned(), source })?;
        if settings.format > formats::current(FORMAT) {
            return Err(SettingsError::Format { path: path.to_owned(), found: settings.format });
        }
        Ok(settings)
    }

    /// Writes the file 0600, since it holds the token, for that uid and gid (`None`: for this process's own); replaces an
    /// older one atomically. Blocking.
    pub fn write(&self, path: &Path, owner: Option<(u32, u32)>) -> Result<(), SettingsError> {
        let failed = |source| SettingsError::Write { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        machine::fs::write_atomic_for(owner, path, &text, 0o600).map_err(failed)
    }

    /// Threads that serve.
    pub fn worker_count(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.workers.map_or(cores.min(8), NonZeroUsize::get)
    }
}
