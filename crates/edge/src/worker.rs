//! One serving thread: it accepts from its listeners, runs its connections, sweeps its deadlines, and says every tick
//! that it is alive. Nothing of it is touched by other threads but what is in [`Shared`].

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method};
use slab::Slab;
use tokio::{io::ReadBuf, net::TcpStream, runtime::LocalRuntime, sync::watch};
use tokio_rustls::TlsAcceptor;

use crate::{
    access_log::{Line, LogBatch},
    clock::now_ms,
    conn::{ClientIo, ConnState, Kill, Stream},
    encode, entry, h1, h2,
    headers::{self, Trust},
    ids::RequestIds,
    listeners::{Listener, Socket},
    proxy::Ctx,
    settings::Limits,
    shared::{Permit, Shared},
    stamp::Stamp,
    timers::{TICK, Timers},
    upstream::Idle,
};

/// After accept failed for want of descriptors or memory: others must close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a connection without a request gets when no place is left.
const CROWDED_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// An idle connection's time once the edge shuts down: an answer just sent has arrived, a request just sent is here.
const IDLE_GRACE_MS: u64 = 1_000;

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    index: usize,
    pub(crate) timers: Rc<Timers>,
    pub(crate) idle: Rc<Idle>,
    pub(crate) encoding: encode::Slots,
    ids: RefCell<RequestIds>,
    log: RefCell<LogBatch>,
    turn: Cell<usize>,
    connections: RefCell<Slab<Rc<ConnState>>>,
    stamp: Stamp,
    drain_epoch: Cell<u64>,
}

/// Runs a worker until the edge stops. `accepting` is told once every listener is accepted from.
pub(crate) fn run(
    index: usize,
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
    tls: Option<TlsAcceptor>,
    accepting: impl FnOnce(),
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime: LocalRuntime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(async move {
        let places = listeners.iter().filter_map(|listener| listener.place).collect();
        let worker = Rc::new(Worker::new(index, shared, places));
        let mut accepts = Vec::new();
        for listener in listeners {
            let accept = listener.register()?;
            accepts.push(tokio::task::spawn_local(accept_loop(Rc::clone(&worker), accept, tls.clone())));
        }
        accepting();
        worker.beat(stop, &accepts).await
    })
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>, places: Vec<usize>) -> Self {
        let log = RefCell::new(shared.log.batch());
        let timers = Rc::new(Timers::default());
        timers.sweep();
        Self {
            shared,
            index,
            timers,
            idle: Rc::default(),
            encoding: encode::Slots::default(),
            ids: RefCell::default(),
            log,
            turn: Cell::new(index),
            connections: RefCell::default(),
            stamp: Stamp { places, last: Cell::default() },
            drain_epoch: Cell::new(0),
        }
    }

    /// The next number for round robin and ties.
    pub(crate) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// The id of a request that came at `moment`.
    pub(crate) fn new_id(&self, moment: Instant) -> HeaderValue {
        self.ids.borrow_mut().next(self.timers.unix_ms(moment))
    }

    pub(crate) fn measure(&self, route: u32, method: &Method, status: u16, took: Duration) {
        self.shared.shards[self.index].record(route, method, status, took);
    }

    pub(crate) fn log(&self, line: &Line<'_>) {
        self.log.borrow_mut().write(line);
    }

    /// The tick: everything that time does here, until the edge stops and nothing is open.
    async fn beat(
        &self,
        mut stop: watch::Receiver<bool>,
        accepts: &[tokio::task::JoinHandle<()>],
    ) -> io::Result<()> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop), if !is_stopping => {
                    is_stopping = true;
                    accepts.iter().for_each(tokio::task::JoinHandle::abort);
                }
            }
            self.sweep(is_stopping);
            // A listener that nobody accepts from swallows connections: better to end and be replaced.
            if !is_stopping && accepts.iter().any(tokio::task::JoinHandle::is_finished) {
                return Err(io::Error::other("it has stopped to accept"));
            }
            let is_empty = self.connections.borrow().is_empty();
            if is_stopping && (is_empty || now_ms() >= self.shared.stop_at()) {
                break;
            }
        }
        self.log.borrow_mut().flush();
        Ok(())
    }

    fn sweep(&self, is_stopping: bool) {
        self.timers.sweep();
        let now = self.timers.now();
        let pulse = &self.shared.workers[self.index];
        pulse.beat.store(now, Relaxed);
        let limits = &self.shared.settings.limits;
        let connections = self.connections.borrow();
        pulse.connections.store(connections.len() as u64, Relaxed);
        if let Some(page) = &self.shared.pulse {
            self.stamp.write(page, now, !connections.is_empty(), is_stopping);
        }
        let keep_alive = keep_alive(self.shared.counters.connections.load(Relaxed), limits);
        for (_, connection) in connections.iter() {
            connection.judge(now, limits, keep_alive);
            // An HTTP/2 client is told at once to open no more streams; those that are open end as they would.
            let is_over = connection.is_quiet() && connection.idle_ms(now) >= IDLE_GRACE_MS;
            if is_stopping && (is_over || connection.is_h2.get()) {
                connection.end(Kill::Shutdown);
            }
        }
        drop(connections);
        self.idle.sweep(limits.upstream_idle_timeout.0);
        let epoch = self.shared.drain_epoch.load(Relaxed);
        if self.drain_epoch.replace(epoch) != epoch {
            self.timers.wake_all();
        }
        self.log.borrow_mut().flush();
    }
}

/// How long a connection without a request may stay. Where three quarters of all places are taken, for less and less, so that
/// who holds connections and asks nothing keeps nobody out.
fn keep_alive(open: u64, limits: &Limits) -> Duration {
    let max = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    let free = max.saturating_sub(u32::try_from(open).unwrap_or(u32::MAX));
    let quarter = (max / 4).max(1);
    let usual = limits.keep_alive_timeout.0;
    usual.mul_f64(f64::from(free.min(quarter)) / f64::from(quarter)).max(usual.min(CROWDED_KEEP_ALIVE))
}

/// Accepts for ever; ends by being aborted.
async fn accept_loop(worker: Rc<Worker>, listener: crate::listeners::Accept, tls: Option<TlsAcceptor>) {
    loop {
        match listener.socket.accept().await {
            Ok((socket, peer)) => {
                let trust = headers::trust(peer, &worker.shared.settings);
                let counted = peer.filter(|_| trust == Trust::Nobody).map(|peer| peer.ip());
                // Past the caps a connection is closed at once: better than one that waits and is never served.
                let Some(permit) = worker.shared.admit(counted) else { continue };
                let now = worker.timers.now();
                let state = ConnState::new(listener.entrance, peer, listener.port, trust, now);
                tokio::task::spawn_local(connection(Rc::clone(&worker), socket, state, tls.clone(), permit));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = %listener.name, %error, "no connection can be accepted at the moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client left while it waited; the next one may be well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    worker: Rc<Worker>,
    socket: Socket,
    mut state: ConnState,
    tls: Option<TlsAcceptor>,
    mut permit: Permit,
) {
    let entering = entry::enter(&worker, socket, &mut state, tls.as_ref(), &mut permit);
    let Some(stream) = entering.await else { return };
    if let Stream::Tls(stream) = &stream {
        state.is_h2.set(stream.get_ref().1.alpn_protocol() == Some(b"h2"));
    }
    let state = Rc::new(state);
    let _registered = Registered {
        key: worker.connections.borrow_mut().insert(Rc::clone(&state)),
        worker: Rc::clone(&worker),
    };
    if let Stream::Tcp(stream) = &stream {
        match begins_http2(stream, &state).await {
            Some(is_h2) => state.is_h2.set(is_h2),
            None => return,
        }
    }
    let line_max = usize::try_from(worker.shared.settings.limits.header_bytes_max.0).unwrap_or(usize::MAX);
    let io = ClientIo::new(stream, Rc::clone(&state), Rc::clone(&worker.timers), line_max);
    let ctx = Rc::new(Ctx::new(Rc::clone(&worker), Rc::clone(&state)));
    match state.is_h2.get() {
        // Boxed, so that a connection holds the room of its own protocol only.
        true => Box::pin(h2::serve(ctx, io)).await,
        false => Box::pin(h1::serve(ctx, io)).await,
    }
    drop(permit);
}

/// Whether the first bytes are those of HTTP/2's preface (RFC 9113, 3.3: prior knowledge, without TLS). No method begins
/// with `PRI`, so three bytes tell; they stay in the socket. `None`: the client left, or waited for too long.
async fn begins_http2(stream: &TcpStream, state: &ConnState) -> Option<bool> {
    std::future::poll_fn(|cx| {
        state.watch(cx);
        if state.kill.get().is_some() {
            return Poll::Ready(None);
        }
        let mut bytes = [0; 3];
        let mut peeked = ReadBuf::new(&mut bytes);
        stream.poll_peek(cx, &mut peeked).map(|seen| match seen {
            Ok(0) | Err(_) => None,
            // A preface comes in one piece; a head that stops after its first byte is a head.
            Ok(_) => Some(peeked.filled() == b"PRI"),
        })
    })
    .await
}

/// A connection that the sweep looks at; also one whose task panics is forgotten.
struct Registered {
    worker: Rc<Worker>,
    key: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.worker.connections.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewer_places_are_left_the_sooner_idle_connections_go() {
        let limits = Limits { connections_max: 1_000, ..Limits::default() };
        let usual = limits.keep_alive_timeout.0;
        let after = |open| keep_alive(open, &limits);
        assert_eq!((after(0), after(750)), (usual, usual));
        assert_eq!(after(875), usual / 2);
        assert_eq!([after(999), after(1_000), after(5_000)], [CROWDED_KEEP_ALIVE; 3]);
    }
}
