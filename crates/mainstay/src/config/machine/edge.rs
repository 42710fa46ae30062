//! The edge's keys of machine.toml: limits, certificates, whose word is taken.

use std::path::{Path, PathBuf};

use model::{ByteSize, Span};
use serde::Serialize;

use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

/// Limits that protect the machine from strangers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Runtimes; `None`: one a core.
    pub workers: Option<u32>,
    pub connections_max: u64,
    /// Per client address (IPv6: per /64).
    pub connections_per_client_max: u64,
    /// From accept, or from the end of the last request, to the end of a head.
    pub header_timeout: Span,
    /// All of a head.
    pub header_bytes_max: ByteSize,
    /// Fields of a head.
    pub headers_max: u64,
    /// Between two bytes of a request's body.
    pub body_timeout: Span,
    /// Bytes a second that a body must make, a request's as it comes and an answer's as it is taken.
    pub body_rate_min: ByteSize,
    /// A client that takes nothing of its answer.
    pub send_timeout: Span,
    /// A kept-alive connection without a request.
    pub keep_alive_timeout: Span,
    /// Requests of one HTTP/2 connection at once.
    pub h2_streams_max: u64,
    /// To connect to an instance.
    pub connect_timeout: Span,
    /// A kept connection to an instance; many servers close theirs after 2 s.
    pub upstream_idle_timeout: Span,
    pub access_log: bool,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            workers: None,
            connections_max: 20_000,
            connections_per_client_max: 1_000,
            header_timeout: Span::secs(10),
            header_bytes_max: ByteSize::kib(64),
            headers_max: 100,
            body_timeout: Span::secs(30),
            body_rate_min: ByteSize(512),
            send_timeout: Span::secs(60),
            keep_alive_timeout: Span::secs(75),
            h2_streams_max: 128,
            connect_timeout: Span::secs(2),
            upstream_idle_timeout: Span::secs(1),
            access_log: true,
        }
    }
}

/// Who says what the client's address is. Other than `Peer`: only where the peer is in `trusted_proxies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientIp {
    Peer,
    XForwardedFor,
    CfConnectingIp,
    ProxyProtocol,
}

/// Which versions of TLS the edge speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsProfile {
    /// 1.2 and 1.3.
    Intermediate,
    /// 1.3 alone.
    Modern,
}

/// How the edge speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    pub profile: TlsProfile,
    /// Clients resume a session by a ticket, without a full handshake.
    pub session_tickets: bool,
    /// How long browsers are told to come by HTTPS alone (RFC 6797); `None`: nothing is said.
    pub hsts: Option<Span>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { profile: TlsProfile::Intermediate, session_tickets: true, hsts: None }
    }
}

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Hosts that it is shown to (SNI); `*.example.com` for one label.
    pub names: Vec<String>,
    pub cert: PathBuf,
    pub key: PathBuf,
}

pub(super) fn edge(section: &mut Section<'_, '_, '_>) -> Edge {
    section.later(&[
        Later { key: "http1", instead: "there is one HTTP/1.1 path in this version" },
        Later {
            key: "rate_limit",
            instead: "rate limits are an app's: they stand in its mainstay.toml, as [[route.rate_limit]]",
        },
    ]);
    let default = Edge::default();
    Edge {
        workers: section.integer("workers", 1..=256).map(|n| n as u32),
        connections_max: section
            .integer("connections_max", 16..=1_000_000)
            .unwrap_or(default.connections_max),
        connections_per_client_max: section
            .integer("connections_per_client_max", 1..=1_000_000)
            .unwrap_or(default.connections_per_client_max),
        header_timeout: section.duration("header_timeout").unwrap_or(default.header_timeout),
        header_bytes_max: section.size("header_bytes_max").unwrap_or(default.header_bytes_max),
        headers_max: section.integer("headers_max", 16..=1_000).unwrap_or(default.headers_max),
        body_timeout: section.duration("body_timeout").unwrap_or(default.body_timeout),
        body_rate_min: section.size("body_rate_min").unwrap_or(default.body_rate_min),
        send_timeout: section.duration("send_timeout").unwrap_or(default.send_timeout),
        keep_alive_timeout: section.duration("keep_alive_timeout").unwrap_or(default.keep_alive_timeout),
        h2_streams_max: section.integer("h2_streams_max", 1..=10_000).unwrap_or(default.h2_streams_max),
        connect_timeout: section.duration("connect_timeout").unwrap_or(default.connect_timeout),
        upstream_idle_timeout: section
            .duration("upstream_idle_timeout")
            .unwrap_or(default.upstream_idle_timeout),
        access_log: section.boolean("access_log").unwrap_or(default.access_log),
    }
}

pub(super) const TLS_PROFILES: [(&str, TlsProfile); 2] =
    [("intermediate", TlsProfile::Intermediate), ("modern", TlsProfile::Modern)];

pub(super) fn tls(section: &mut Section<'_, '_, '_>) -> Tls {
    let default = Tls::default();
    Tls {
        profile: section.one_of("profile", &TLS_PROFILES).unwrap_or(default.profile),
        session_tickets: section.boolean("session_tickets").unwrap_or(default.session_tickets),
        hsts: section.duration("hsts"),
    }
}

pub(super) const CLIENT_IPS: [(&str, ClientIp); 4] = [
    ("peer", ClientIp::Peer),
    ("x-forwarded-for", ClientIp::XForwardedFor),
    ("cf-connecting-ip", ClientIp::CfConnectingIp),
    ("proxy-protocol", ClientIp::ProxyProtocol),
];

pub(super) fn client_ip(top: &mut Section<'_, '_, '_>) -> Option<ClientIp> {
    let said = top.one_of("client_ip", &CLIENT_IPS)?;
    if said != ClientIp::Peer && !top.has("trusted_proxies") {
        top.missing("trusted_proxies", "trusted_proxies = [\"10.0.0.0/8\"]");
    }
    Some(said)
}

pub(super) fn certificates(top: &mut Section<'_, '_, '_>, base: &Path) -> Vec<Certificate> {
    let read = |section: &mut Section<'_, '_, '_>| {
        let names = section.strings("names").map(|names| names.value).unwrap_or_default();
        let cert = section.string("cert").map(|at| base.join(at.value));
        let key = section.string("key").map(|at| base.join(at.value));
        for (key, example) in [
            ("names", "names = [\"chat.example.com\"]"),
            ("cert", "cert = \"chat.pem\""),
            ("key", "key = \"chat.key\""),
        ] {
            if !section.has(key) {
                section.missing(key, example);
            }
        }
        if section.has("names") && names.is_empty() {
            let span = section.span();
            section.problem(
                Problem::new("empty-list", span, "a certificate needs a name that it is shown to")
                    .help("like `names = [\"chat.example.com\"]`"),
            );
        }
        let names = names.into_iter().map(|name| name.value.to_ascii_lowercase()).collect();
        Some(Certificate { names, cert: cert?, key: key? })
    };
    top.tables("certificate", read).unwrap_or_default().into_iter().map(|at| at.value).collect()
}
