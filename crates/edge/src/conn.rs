//! One client connection: what is known of its peer, and what the sweep needs to judge it. Its bytes are in `io.rs`.

mod h2_frames;
mod io;
mod pace;

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    task::{Context, Waker},
    time::Duration,
};

use self::pace::Pace;
use crate::{
    clock::{NEVER, ms},
    guard::Refusal,
    headers::Trust,
    limit::Quota,
    proxy_header::Client,
    settings::Limits,
};

pub(crate) use h2_frames::Unclaimed;
pub(crate) use io::{ClientIo, Stream};

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    Http,
    Https,
    Private,
}

/// Why the sweep ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    HeaderTimeout,
    Idle,
    SendTimeout,
    /// What it sends is work for us and no request.
    Excess,
    /// The edge shuts down and gave it its time.
    Shutdown,
}

/// Bound: of frames that carry nothing (PING, SETTINGS, RST_STREAM, PRIORITY, DATA of no bytes): a thousand at once, and a
/// hundred a second. A page that is left cancels a hundred requests.
const CHATTER: Quota = Quota::of(Duration::from_millis(10), 1_000);

/// Shared by the connection's task, its requests and the sweep, all on one thread.
#[derive(Debug)]
pub(crate) struct ConnState {
    pub(crate) entrance: Entrance,
    /// `None`: a unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// That the client connected to: of the listener, or of a proxy that says so; 0 on a unix socket.
    pub(crate) port: u16,
    /// Its headers' word about the client is taken.
    pub(crate) is_trusted: bool,
    /// A PROXY header comes first.
    pub(crate) sends_header: bool,
    /// The client speaks TLS, to us or to a proxy that says so.
    pub(crate) is_over_tls: bool,
    pub(crate) is_h2: Cell<bool>,
    open: Cell<u32>,
    /// Since nothing is open, or since accept.
    idle_since: Cell<u64>,
    head_since: Cell<u64>,
    pub(crate) pace: Pace,
    /// When its quota of frames that carry nothing is whole; HTTP/2 only.
    chatter: Cell<u64>,
    pub(crate) refusal: Cell<Option<Refusal>>,
    /// From an answer of ours until all of it is sent (HTTP/1.1 only).
    pub(crate) is_answering: Cell<bool>,
    /// HTTP/2 only.
    pub(crate) unclaimed: Cell<Unclaimed>,
    pub(crate) kill: Cell<Option<Kill>>,
    pub(crate) tunnels: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl ConnState {
    pub(crate) fn new(
        entrance: Entrance,
        peer: Option<SocketAddr>,
        port: u16,
        trust: Trust,
        now: u64,
    ) -> Self {
        Self {
            entrance,
            peer,
            port,
            is_trusted: trust == Trust::Headers,
            sends_header: trust == Trust::ProxyHeader && entrance != Entrance::Private,
            is_over_tls: entrance == Entrance::Https,
            is_h2: Cell::new(false),
            open: Cell::new(0),
            idle_since: Cell::new(now),
            head_since: Cell::new(NEVER),
            pace: Pace::default(),
            chatter: Cell::new(0),
            refusal: Cell::new(None),
            is_answering: Cell::new(false),
            unclaimed: Cell::default(),
            kill: Cell::new(None),
            tunnels: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// What follows are the bytes of a client behind the peer.
    pub(crate) fn is_from(&mut self, client: &Client) {
        self.peer = Some(client.address);
        self.port = client.port;
        self.is_over_tls |= client.over_tls;
    }

    pub(crate) fn peer_ip(&self) -> IpAddr {
        let ip = self.peer.map_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), |peer| peer.ip());
        // A dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d; people and apps expect a.b.c.d.
        ip.to_canonical()
    }

    pub(crate) fn request_begins(&self) {
        self.open.set(self.open.get() + 1);
    }

    pub(crate) fn request_ends(&self, now: u64) {
        self.open.set(self.open.get().saturating_sub(1));
        self.idle_since.set(now);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// No request is open, and none is coming.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_idle() && self.head_since.get() == NEVER
    }

    /// So many frames came that carry nothing and are still answered or kept.
    pub(crate) fn chatters(&self, frames: u32, now: u64) {
        let mut whole_at = self.chatter.get();
        let now = now.saturating_mul(1_000_000);
        let passes = (0..frames).all(|_| CHATTER.spend(&mut whole_at, now).is_passed());
        self.chatter.set(whole_at);
        if !passes {
            self.end(Kill::Excess);
        }
    }

    /// Remembers who to wake when the sweep ends the connection.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(crate) fn end(&self, why: Kill) {
        // Others let what is open go on to its end, which does not come if the client takes nothing.
        let ends_at_once = |why| matches!(why, Kill::SendTimeout | Kill::Excess);
        let is_worse = ends_at_once(why) && !self.kill.get().is_some_and(ends_at_once);
        if self.kill.get().is_none() || is_worse {
            self.kill.set(Some(why));
            if let Some(waker) = self.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    /// The sweep's look: ends what has overstayed. `keep_alive`: how long one without a request may stay.
    pub(crate) fn judge(&self, now: u64, limits: &Limits, keep_alive: Duration) {
        // What is noted is the time of the sweep before, so a tick is given on top: late, never early.
        let since = |then: u64| now.saturating_sub(then).saturating_sub(ms(crate::timers::TICK));
        let takes_nothing = self.pace.blocked_ms(now) > ms(limits.send_timeout.0) + ms(crate::timers::TICK);
        if takes_nothing || self.pace.is_too_slow(limits.body_rate_min.0) {
            self.end(Kill::SendTimeout);
        }
        if self.tunnels.get() {
            return;
        }
        // Over HTTP/2 nothing else comes while a head does, whatever else is open.
        let is_due = self.is_idle() || self.is_h2.get();
        if is_due && since(self.head_since.get()) > ms(limits.header_timeout.0) {
            self.end(Kill::HeaderTimeout);
        }
        if self.is_quiet() && since(self.idle_since.get()) > ms(keep_alive) {
            self.end(Kill::Idle);
        }
    }

    /// How long the head that comes has been coming.
    pub(crate) fn head_took(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.head_since.get()))
    }

    pub(crate) fn idle_ms(&self, now: u64) -> u64 {
        now.saturating_sub(self.idle_since.get())
    }
}
