//! One client connection: its bytes, what is known of its peer, and what the sweep needs to judge it.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

use crate::{
    clock::NEVER,
    guard::{Guard, Phase, Refusal},
    headers::Trust,
    proxy_header::Client,
    settings::Limits,
};

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
    /// The edge shuts down and gave it its time.
    Shutdown,
}

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
    write_blocked_since: Cell<u64>,
    pub(crate) refusal: Cell<Option<Refusal>>,
    /// From an answer of ours until all of it is sent (HTTP/1.1 only).
    pub(crate) is_answering: Cell<bool>,
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
            write_blocked_since: Cell::new(NEVER),
            refusal: Cell::new(None),
            is_answering: Cell::new(false),
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

    /// Remembers who to wake when the sweep ends the connection.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(crate) fn end(&self, why: Kill) {
        if self.kill.get().is_none() {
            self.kill.set(Some(why));
            if let Some(waker) = self.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    /// The sweep's look: ends what has overstayed.
    pub(crate) fn judge(&self, now: u64, limits: &Limits) {
        // What is noted is the time of the sweep before, so a tick is given on top: late, never early.
        let since =
            |then: u64| now.saturating_sub(then).saturating_sub(crate::clock::ms(crate::timers::TICK));
        if since(self.write_blocked_since.get()) > crate::clock::ms(limits.send_timeout.0) {
            self.end(Kill::SendTimeout);
        }
        if !self.is_idle() || self.tunnels.get() {
            return;
        }
        if since(self.head_since.get()) > crate::clock::ms(limits.header_timeout.0) {
            self.end(Kill::HeaderTimeout);
        }
        if since(self.idle_since.get()) > crate::clock::ms(limits.keep_alive_timeout.0) {
            self.end(Kill::Idle);
        }
    }

    pub(crate) fn idle_ms(&self, now: u64) -> u64 {
        now.saturating_sub(self.idle_since.get())
    }
}

/// The transport.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// A transport whose bytes are watched: by the guard (HTTP/1.1 only) and for the sweep.
#[derive(Debug)]
pub(crate) struct ClientIo {
    stream: Stream,
    guard: Option<Guard>,
    state: Rc<ConnState>,
    /// Time at the last sweep.
    timers: Rc<crate::timers::Timers>,
    has_withheld: bool,
}

impl ClientIo {
    /// `line_bytes_max`: of one line of a head.
    pub(crate) fn new(
        stream: Stream,
        state: Rc<ConnState>,
        timers: Rc<crate::timers::Timers>,
        line_bytes_max: usize,
    ) -> Self {
        let guard = (!state.is_h2.get()).then(|| Guard::new(line_bytes_max));
        Self { stream, guard, state, timers, has_withheld: false }
    }

    /// The parser has refused what came, and its client does not know yet.
    pub(crate) fn has_withheld(&self) -> bool {
        self.has_withheld
    }

    /// From here on the bytes are no HTTP.
    pub(crate) fn stop_guarding(&mut self) {
        self.guard = None;
        self.state.head_since.set(NEVER);
    }

    /// hyper answers what it cannot parse by itself, with a head and nothing in it. Such bytes are told by this: no request
    /// is open, and of no answer of ours anything is left to send. They are withheld, so that the edge's page can come
    /// in their place. In doubt they pass, and the client gets hyper's.
    fn withholds(&mut self, bytes: usize) -> Option<Poll<io::Result<usize>>> {
        if self.guard.is_none() || self.state.is_answering.get() || !self.state.is_idle() {
            return None;
        }
        self.has_withheld = true;
        Some(Poll::Ready(Ok(bytes)))
    }

    fn look(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(guard) = &mut self.guard else { return };
        if buf.filled().len() == before {
            return;
        }
        if let Err(passed) = guard.feed(&buf.filled()[before..]) {
            // No parser takes a NUL in a head or where a chunk's size should stand: hyper answers 400 and closes.
            self.state.refusal.set(guard.refusal());
            let end = before + passed;
            buf.filled_mut()[end] = 0;
            buf.set_filled(end + 1);
        }
        match guard.phase() {
            Phase::Head if self.state.head_since.get() == NEVER => {
                self.state.head_since.set(self.timers.now())
            }
            Phase::Head => {}
            Phase::Idle | Phase::Body => self.state.head_since.set(NEVER),
        }
    }

    fn wrote<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let blocked = &self.state.write_blocked_since;
        match &result {
            Poll::Pending if blocked.get() == NEVER => blocked.set(self.timers.now()),
            Poll::Pending => {}
            Poll::Ready(_) => blocked.set(NEVER),
        }
        result
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state.refusal.get().is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        self.look(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(withheld) = self.withholds(bytes.len()) {
            return withheld;
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices {
            return self.poll_write(cx, only);
        }
        if let Some(withheld) = self.withholds(slices.iter().map(|slice| slice.len()).sum()) {
            return withheld;
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        };
        // hyper flushes when nothing of its own is left, so what was answered is sent.
        if result.is_ready() && self.state.is_idle() {
            self.state.is_answering.set(false);
        }
        self.wrote(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
