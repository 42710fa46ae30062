//! The way in: what comes before a connection's first request, the PROXY header and the TLS handshake, within one time
//! limit. Who does not get in is counted by its reason, and told to the log at a pace that no stranger sets.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use rustls::{Error as TlsError, PeerMisbehaved, server::Acceptor};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::{
    challenge,
    clock::now_ms,
    conn::{ConnState, Entrance, Stream},
    listeners::Socket,
    proxy_header::{self, Announced, HeaderError},
    shared::Permit,
    timers::within,
    worker::Worker,
};

/// Bound: of one reason the log gets a line in this time at most.
const LOG_PACE_MS: u64 = 60_000;

/// Why a connection did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NoProxyHeader,
    ClientCap,
    Timeout,
    Left,
    NotTls,
    ServerName,
    NothingInCommon,
    RefusedByClient,
    OtherTls,
}

impl Reason {
    pub(crate) const ALL: [Self; 9] = [
        Self::NoProxyHeader,
        Self::ClientCap,
        Self::Timeout,
        Self::Left,
        Self::NotTls,
        Self::ServerName,
        Self::NothingInCommon,
        Self::RefusedByClient,
        Self::OtherTls,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoProxyHeader => "no-proxy-header",
            Self::ClientCap => "client-cap",
            Self::Timeout => "timeout",
            Self::Left => "left",
            Self::NotTls => "not-tls",
            Self::ServerName => "bad-server-name",
            Self::NothingInCommon => "nothing-in-common",
            Self::RefusedByClient => "refused-by-client",
            Self::OtherTls => "other-tls",
        }
    }

    /// A sentence where an operator can do something about it; the rest is strangers' weather.
    fn words(self) -> Option<&'static str> {
        match self {
            Self::NoProxyHeader => Some(
                "a trusted proxy sent no PROXY header and was cut: let it send one, or take it out of `trusted_proxies`",
            ),
            Self::ServerName => Some(
                "a TLS handshake was refused: the client's server name (SNI) is no host name, for example one with a port",
            ),
            Self::NotTls => Some("a TLS handshake was refused: what came is no TLS, for example plain HTTP"),
            Self::NothingInCommon => Some(
                "a TLS handshake was refused: the client has no version, cipher or protocol in common with us",
            ),
            Self::RefusedByClient => {
                Some("a client broke off its TLS handshake with an alert: it may not trust the certificate")
            }
            Self::ClientCap | Self::Timeout | Self::Left | Self::OtherTls => None,
        }
    }

    fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>()) {
            None => Self::Left,
            Some(TlsError::PeerMisbehaved(PeerMisbehaved::ServerNameMustContainOneHostName)) => {
                Self::ServerName
            }
            Some(TlsError::InvalidMessage(_)) => Self::NotTls,
            Some(TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol) => Self::NothingInCommon,
            Some(TlsError::AlertReceived(_)) => Self::RefusedByClient,
            Some(_) => Self::OtherTls,
        }
    }
}

/// How many did not get in, by reason.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway([Tally; Reason::ALL.len()]);

#[derive(Debug, Default)]
struct Tally {
    count: AtomicU64,
    /// What the log has been told of.
    told: AtomicU64,
    next_line_at: AtomicU64,
}

impl TurnedAway {
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        self.tally(reason).count.load(Relaxed)
    }

    fn tally(&self, reason: Reason) -> &Tally {
        &self.0[reason as usize]
    }

    fn note(&self, reason: Reason, peer: IpAddr, error: &EntryError) {
        let error: &(dyn std::error::Error + 'static) = error;
        let tally = self.tally(reason);
        let count = tally.count.fetch_add(1, Relaxed) + 1;
        tracing::debug!(%peer, reason = reason.name(), error, "a connection did not get in");
        let Some(words) = reason.words() else { return };
        let (now, due) = (now_ms(), tally.next_line_at.load(Relaxed));
        let next = now.saturating_add(LOG_PACE_MS);
        // Of threads that meet here one writes.
        if now >= due && tally.next_line_at.compare_exchange(due, next, Relaxed, Relaxed).is_ok() {
            let since_last_line = count.saturating_sub(tally.told.swap(count, Relaxed));
            tracing::warn!(%peer, reason = reason.name(), since_last_line, error, "{words}");
        }
    }
}

/// Why this connection did not get in.
#[derive(Debug, thiserror::Error)]
enum EntryError {
    #[error("it did not come in within the time for a head")]
    Timeout,
    #[error("its client has too many connections")]
    ClientCap,
    #[error(transparent)]
    Header(HeaderError),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
}

impl EntryError {
    fn reason(&self) -> Reason {
        match self {
            Self::Timeout => Reason::Timeout,
            Self::ClientCap => Reason::ClientCap,
            Self::Header(HeaderError::Left) => Reason::Left,
            Self::Header(_) => Reason::NoProxyHeader,
            Self::Handshake(error) => Reason::of(error),
        }
    }
}

/// The stream that requests come by; `state` then names the client. `None`: it did not get in.
pub(crate) async fn enter(
    worker: &Worker,
    socket: Socket,
    state: &mut ConnState,
    tls: Option<&TlsAcceptor>,
    permit: &mut Permit,
) -> Option<Stream> {
    let mut stream = match socket {
        Socket::Unix(stream) => return Some(Stream::Unix(stream)),
        Socket::Tcp(stream) => stream,
    };
    let _ = stream.set_nodelay(true);
    let tls = tls.filter(|_| state.entrance == Entrance::Https);
    if !state.sends_header && tls.is_none() {
        return Some(Stream::Tcp(stream));
    }
    let coming = async {
        if state.sends_header {
            announce(&mut stream, state, permit).await?;
        }
        match tls {
            Some(tls) => handshake(worker, stream, tls).await,
            None => Ok(Some(Stream::Tcp(stream))),
        }
    };
    let limit = worker.shared.settings.limits.header_timeout.0;
    // Boxed, so that a connection does not hold the room of its handshake for ever.
    let entered = within(&worker.timers, limit, Box::pin(coming)).await.unwrap_or(Err(EntryError::Timeout));
    let told = |error: &EntryError| worker.shared.turned_away.note(error.reason(), state.peer_ip(), error);
    entered.inspect_err(told).ok().flatten()
}

async fn announce(
    stream: &mut TcpStream,
    state: &mut ConnState,
    permit: &mut Permit,
) -> Result<(), EntryError> {
    let Announced::Client(client) = proxy_header::read(stream).await.map_err(EntryError::Header)? else {
        return Ok(());
    };
    state.is_from(&client);
    if permit.count(client.address.ip()) { Ok(()) } else { Err(EntryError::ClientCap) }
}

/// `None`: it was a CA's look, which has ended.
async fn handshake(
    worker: &Worker,
    stream: TcpStream,
    tls: &TlsAcceptor,
) -> Result<Option<Stream>, EntryError> {
    let shaken = if worker.shared.settings.tls.acme.is_none() {
        tls.accept(stream).await
    } else {
        // The same in two halves: what the client asks for says who answers it.
        let start =
            LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(EntryError::Handshake)?;
        if let Some(name) = challenge::name_asked(&start.client_hello()) {
            challenge::show(&worker.shared, &name, start).await;
            return Ok(None);
        }
        start.into_stream(Arc::clone(tls.config())).await
    };
    Ok(Some(Stream::Tls(Box::new(shaken.map_err(EntryError::Handshake)?))))
}
