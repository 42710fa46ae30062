//! What the edge knows of pools and upstreams while they live: counts, readiness, deadlines. Shared by all threads.
//!
//! A [`PoolState`] outlives the tables that name it; tables only change its [`Config`]. Counting open requests must have
//! no moment at which a request is on its way to a pool and not counted: a [`Lease`] counts first, then looks whether
//! the pool still takes requests, and the switch closes the pool before anybody reads its counts.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU8, AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use model::{
    Address, InstanceName, ProcessId, ReleaseNumber, ServiceName, Site,
    manifest::{Balance, Drain, ReadinessProbe},
};

use crate::{
    clock::{NEVER, ms, now_ms},
    control::{Active, ProbeReport},
    table::{Pool, PoolId, PoolState as Given, Upstream},
    traffic::Counted,
};

/// What a request is, as far as draining goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Http = 0,
    Stream = 1,
    WebSocket = 2,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Stream, Self::WebSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::WebSocket => "websocket",
        }
    }
}

/// One number per class.
#[derive(Debug, Default)]
pub(crate) struct Counts([AtomicU64; 3]);

impl Counts {
    pub(crate) fn add(&self, class: Class) {
        // SeqCst: see the module's head; the look at the pool's state must come after this.
        self.0[class as usize].fetch_add(1, SeqCst);
    }

    fn take(&self, class: Class) {
        self.0[class as usize].fetch_sub(1, SeqCst);
    }

    pub(crate) fn count(&self, class: Class) {
        self.0[class as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Active {
        let [http, stream, websocket] = [0, 1, 2].map(|class: usize| self.0[class].load(SeqCst));
        Active { http, stream, websocket }
    }

    pub(crate) fn total(&self) -> u64 {
        self.read().total()
    }
}

/// When open requests of each class are cut, in the edge's milliseconds.
#[derive(Debug)]
pub(crate) struct DrainClock {
    deadlines: [AtomicU64; 3],
    since: AtomicU64,
    /// WebSockets are closed over this time after their deadline.
    jitter: AtomicU64,
}

impl Default for DrainClock {
    fn default() -> Self {
        Self {
            deadlines: [NEVER, NEVER, NEVER].map(AtomicU64::new),
            since: AtomicU64::new(NEVER),
            jitter: AtomicU64::new(0),
        }
    }
}

impl DrainClock {
    /// Begins the drain unless it runs already; then the deadlines stand.
    pub(crate) fn begin(&self, drain: &Drain) {
        if self.since.compare_exchange(NEVER, now_ms(), SeqCst, SeqCst).is_ok() {
            self.cap([drain.http_timeout.0, drain.stream_timeout.0, drain.websocket_timeout.0].map(ms));
            self.jitter.store(ms(drain.close_jitter.0), SeqCst);
        }
    }

    /// Moves deadlines nearer: each class has at most so many milliseconds from now, jitter included.
    pub(crate) fn cap(&self, left_ms: [u64; 3]) {
        let mut is_nearer = false;
        for (deadline, left) in self.deadlines.iter().zip(left_ms) {
            let new = now_ms().saturating_add(left);
            is_nearer = deadline.fetch_min(new, SeqCst) > new;
        }
        // The last one is the WebSockets'.
        if is_nearer {
            self.jitter.store(0, SeqCst);
        }
    }

    /// Taken back: the pool serves again.
    pub(crate) fn end(&self) {
        self.since.store(NEVER, SeqCst);
        self.deadlines.iter().for_each(|deadline| deadline.store(NEVER, SeqCst));
    }

    pub(crate) fn deadline(&self, class: Class) -> u64 {
        self.deadlines[class as usize].load(Acquire)
    }

    /// The deadline of a WebSocket that drew `roll` (0 to 1).
    fn jittered(&self, roll: f64) -> u64 {
        let jitter = Duration::from_millis(self.jitter.load(SeqCst)).mul_f64(roll);
        self.deadline(Class::WebSocket).saturating_add(ms(jitter))
    }

    pub(crate) fn running_ms(&self) -> Option<u64> {
        let since = self.since.load(SeqCst);
        (since != NEVER).then(|| now_ms().saturating_sub(since))
    }
}

/// What a table says of a pool.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) upstreams: Vec<Arc<UpstreamState>>,
    pub(crate) readiness: Option<ReadinessProbe>,
    pub(crate) probe_host: Option<String>,
    pub(crate) drain: Drain,
    pub(crate) balance: Balance,
}

/// One generation of one service.
#[derive(Debug)]
pub(crate) struct PoolState {
    pub(crate) id: PoolId,
    pub(crate) site: Site,
    pub(crate) service: ServiceName,
    pub(crate) release: ReleaseNumber,
    state: AtomicU8,
    pub(crate) config: ArcSwap<Config>,
    pub(crate) active: Counts,
    pub(crate) cut: Counts,
    pub(crate) drain: DrainClock,
    pub(crate) traffic: Counted,
}

impl PoolState {
    /// Whether any of its upstreams is ready or once was, as far as this edge knows.
    pub(crate) fn has_been_ready(&self) -> bool {
        self.config.load().upstreams.iter().any(|upstream| upstream.was_ready())
    }

    pub(crate) fn new(site: &Site, pool: &Pool, config: Config) -> Self {
        Self {
            id: pool.id.clone(),
            site: site.clone(),
            service: pool.service.clone(),
            release: pool.release,
            state: AtomicU8::new(pool.state as u8),
            config: ArcSwap::from_pointee(config),
            active: Counts::default(),
            cut: Counts::default(),
            drain: DrainClock::default(),
            traffic: Counted::default(),
        }
    }

    pub(crate) fn state(&self) -> Given {
        match self.state.load(SeqCst) {
            0 => Given::Candidate,
            1 => Given::Live,
            _ => Given::Draining,
        }
    }

    pub(crate) fn set_state(&self, state: Given) {
        self.state.store(state as u8, SeqCst);
        match state {
            Given::Draining => self.drain.begin(&self.config.load().drain),
            Given::Candidate | Given::Live => self.drain.end(),
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.state() == Given::Draining && self.active.total() == 0
    }
}

/// One instance. Belongs to a process: a restart begins anew.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    pub(crate) name: InstanceName,
    /// `web.42.1`, for the answer's head and the log.
    pub(crate) label: HeaderValue,
    pub(crate) process: ProcessId,
    pub(crate) address: Address,
    ready: AtomicBool,
    was_ready: AtomicBool,
    gone: AtomicBool,
    ejected_until: AtomicU64,
    connect_failures_in_a_row: AtomicU32,
    pub(crate) active: Counts,
    pub(crate) drain: DrainClock,
    pub(crate) requests: AtomicU64,
    pub(crate) errors_5xx: AtomicU64,
    pub(crate) connect_errors: AtomicU64,
    pub(crate) broken: AtomicU64,
    pub(crate) probe: Mutex<ProbeState>,
}

/// What probing found. One writer: the upstream's prober.
#[derive(Debug, Default)]
pub(crate) struct ProbeState {
    pub(crate) successes: u32,
    pub(crate) failures: u32,
    pub(crate) lost: u64,
    /// Wall and monotonic.
    pub(crate) ready_since: Option<(u64, u64)>,
    pub(crate) last: Option<ProbeReport>,
}

/// Bound: a failing upstream is tried again after at most this long, whatever its past.
const EJECTION_MS_MAX: u64 = 10_000;

impl UpstreamState {
    pub(crate) fn new(upstream: &Upstream) -> Self {
        let label = HeaderValue::from_str(&upstream.name.to_string());
        Self {
            name: upstream.name.clone(),
            label: label.unwrap_or(HeaderValue::from_static("unknown")),
            process: upstream.process,
            address: upstream.address.clone(),
            ready: AtomicBool::new(false),
            was_ready: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            ejected_until: AtomicU64::new(0),
            connect_failures_in_a_row: AtomicU32::new(0),
            active: Counts::default(),
            drain: DrainClock::default(),
            requests: AtomicU64::new(0),
            errors_5xx: AtomicU64::new(0),
            connect_errors: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            probe: Mutex::default(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Acquire)
    }

    pub(crate) fn was_ready(&self) -> bool {
        self.was_ready.load(Acquire)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Release);
        if ready {
            self.was_ready.store(true, Release);
            self.ejected_until.store(0, Release);
        }
    }

    /// It left its pool: no new request comes, open ones end by `drain`.
    pub(crate) fn leave(&self, drain: &Drain) {
        self.gone.store(true, SeqCst);
        self.drain.begin(drain);
    }

    /// It is named again.
    pub(crate) fn come_back(&self) {
        self.gone.store(false, SeqCst);
        self.drain.end();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// For how much longer nothing should be sent there.
    pub(crate) fn ejected_for_ms(&self, now_ms: u64) -> Option<u64> {
        let left = self.ejected_until.load(Acquire).saturating_sub(now_ms);
        (left > 0).then_some(left)
    }

    pub(crate) fn connected(&self) {
        if self.connect_failures_in_a_row.load(Relaxed) != 0 {
            self.connect_failures_in_a_row.store(0, Relaxed);
            self.ejected_until.store(0, Release);
        }
    }

    /// Takes it out for 250 ms, doubled by each failure in a row.
    pub(crate) fn connect_failed(&self) {
        self.connect_errors.fetch_add(1, Relaxed);
        let before = self.connect_failures_in_a_row.fetch_add(1, Relaxed);
        let pause = 250_u64.saturating_mul(1 << before.min(10)).min(EJECTION_MS_MAX);
        self.ejected_until.store(now_ms() + pause, Release);
    }
}

/// One open request, counted at its pool and, once chosen, at its upstream. Dropping it uncounts it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) pool: Arc<PoolState>,
    pub(crate) upstream: Option<Arc<UpstreamState>>,
    class: Class,
}

impl Lease {
    /// Counts a request at `pool`. `None`: the pool drains; the table that the caller looked at is an old one.
    /// `whatever_state` is for the private listener, which names its pool.
    pub(crate) fn open(pool: &Arc<PoolState>, whatever_state: bool) -> Option<Self> {
        pool.active.add(Class::Http);
        let lease = Self { pool: Arc::clone(pool), upstream: None, class: Class::Http };
        (whatever_state || pool.state() == Given::Live).then_some(lease)
    }

    /// Counts the request at `upstream` instead of where it was counted before. False: that instance has left.
    #[must_use]
    pub(crate) fn choose(&mut self, upstream: &Arc<UpstreamState>) -> bool {
        self.release_upstream();
        upstream.active.add(self.class);
        self.upstream = Some(Arc::clone(upstream));
        !upstream.is_gone()
    }

    fn release_upstream(&mut self) {
        if let Some(before) = self.upstream.take() {
            before.active.take(self.class);
        }
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// Counts it under another class from now on; counted under both for a moment, never under none.
    pub(crate) fn become_class(&mut self, class: Class) {
        if class == self.class {
            return;
        }
        for counts in [Some(&self.pool.active), self.upstream.as_ref().map(|upstream| &upstream.active)] {
            let Some(counts) = counts else { continue };
            counts.add(class);
            counts.take(self.class);
        }
        self.class = class;
    }

    /// When this request is cut, in the edge's milliseconds; [`NEVER`] while nothing drains.
    pub(crate) fn cut_at(&self) -> u64 {
        let upstream = self.upstream.as_ref().map_or(NEVER, |upstream| upstream.drain.deadline(self.class));
        self.pool.drain.deadline(self.class).min(upstream)
    }
}

impl Lease {
    /// As [`Self::cut_at`], for a WebSocket that drew `roll` (0 to 1).
    pub(crate) fn cut_at_jittered(&self, roll: f64) -> u64 {
        let upstream = self.upstream.as_ref().map_or(NEVER, |upstream| upstream.drain.jittered(roll));
        self.pool.drain.jittered(roll).min(upstream)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release_upstream();
        self.pool.active.take(self.class);
    }
}
