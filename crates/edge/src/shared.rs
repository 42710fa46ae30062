//! What all threads of the edge share: the settings, the snapshot being served, counters, caps.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use machine::pulse::Pulse;
use net::tls::Resolver;
use tokio::sync::{Notify, Semaphore};

use crate::{
    access_log::Log,
    clock::{NEVER, ms, now_ms},
    csp,
    entry::TurnedAway,
    limit,
    matcher::normal_host,
    metrics::Shard,
    route::Snapshot,
    settings::Settings,
};

/// Bound: answers to CAs' challenges that are read from the disk at once.
const CHALLENGE_READS_MAX: usize = 8;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Port of `https://` in redirects; `None`: there is no TLS listener to send anybody to.
    pub(crate) https_port: Option<u16>,
    pub(crate) counters: Counters,
    pub(crate) turned_away: TurnedAway,
    pub(crate) caps: Caps,
    /// Places of those that read an answer to a CA's challenge.
    pub(crate) challenge_reads: Semaphore,
    /// `None`: there is no TLS.
    certificates: Option<Arc<Resolver>>,
    /// What browsers are told by a name that a CA's certificate is for; `None`: nothing.
    pub(crate) hsts: Option<HeaderValue>,
    pub(crate) limits: limit::Memory,
    pub(crate) log: Log,
    pub(crate) csp: csp::Memory,
    pub(crate) csp_log: Log,
    /// One per worker.
    pub(crate) shards: Vec<Shard>,
    pub(crate) workers: Vec<WorkerPulse>,
    /// `None`: nobody watches from outside.
    pub(crate) pulse: Option<Pulse>,
    /// Counted up whenever deadlines moved, so that sleeping requests look.
    pub(crate) drain_epoch: AtomicU64,
    /// Wakes whenever an upstream becomes ready, a table is served or the edge begins to stop.
    pub(crate) readiness: Notify,
    /// In the edge's milliseconds: nothing that starts with the machine is awaited after it.
    awaits_until: u64,
    /// Sites that an edge before this one served and no table has named since.
    pub(crate) sites_awaited: AtomicUsize,
    stopping: AtomicBool,
    /// When workers end whatever is open.
    stop_at: AtomicU64,
}

/// What the edge writes line by line.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) access: Log,
    /// Reports of browsers.
    pub(crate) csp: Log,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) edge_5xx: AtomicU64,
}

/// What a worker says of itself.
#[derive(Debug, Default)]
pub(crate) struct WorkerPulse {
    /// In the edge's milliseconds.
    pub(crate) beat: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Shared {
    pub(crate) fn new(settings: Settings, https_port: Option<u16>, pulse: Option<Pulse>, logs: Logs) -> Self {
        let count = settings.worker_count();
        Self {
            caps: Caps::new(settings.limits.connections_per_address_max),
            challenge_reads: Semaphore::new(CHALLENGE_READS_MAX),
            certificates: None,
            hsts: settings.tls.hsts.and_then(|span| format!("max-age={}", span.0.as_secs()).try_into().ok()),
            limits: limit::Memory::default(),
            readiness: Notify::new(),
            awaits_until: now_ms().saturating_add(ms(settings.limits.first_ready_within.0)),
            sites_awaited: AtomicUsize::new(0),
            settings,
            snapshot: ArcSwap::default(),
            https_port,
            counters: Counters::default(),
            turned_away: TurnedAway::default(),
            log: logs.access,
            csp: csp::Memory::default(),
            csp_log: logs.csp,
            shards: (0..count).map(|_| Shard::default()).collect(),
            workers: (0..count).map(|_| WorkerPulse::default()).collect(),
            pulse,
            drain_epoch: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            stop_at: AtomicU64::new(NEVER),
        }
    }

    /// With what handshakes are answered from.
    pub(crate) fn with_certificates(self, certificates: Option<Arc<Resolver>>) -> Self {
        Self { certificates, ..self }
    }

    /// Whether a CA has signed what `host` is shown.
    pub(crate) fn is_signed(&self, host: &HeaderValue) -> bool {
        let (Some(certificates), Ok(host)) = (&self.certificates, host.to_str()) else { return false };
        certificates.0.load().is_signed(&normal_host(host))
    }

    /// For how much longer what has never been ready may be about to be, because everything starts; `None`: not any more.
    pub(crate) fn awaits_first_ready(&self) -> Option<Duration> {
        let left = self.awaits_until.saturating_sub(now_ms());
        (left > 0 && !self.is_stopping()).then_some(Duration::from_millis(left))
    }

    /// The same of a route: one of a site that was served before and is not in a table yet.
    pub(crate) fn awaits_route(&self) -> Option<Duration> {
        self.awaits_first_ready().filter(|_| self.sites_awaited.load(SeqCst) > 0)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// No new connections; all is over in `within_ms` at the latest.
    pub(crate) fn stop(&self, within_ms: u64) {
        self.stop_at.fetch_min(now_ms().saturating_add(within_ms), SeqCst);
        self.stopping.store(true, SeqCst);
        self.drain_epoch.fetch_add(1, SeqCst);
        self.readiness.notify_waiters();
    }

    pub(crate) fn stop_at(&self) -> u64 {
        self.stop_at.load(SeqCst)
    }

    /// A place for one more connection of `ip`, or `None`.
    pub(crate) fn admit(self: &Arc<Self>, ip: Option<IpAddr>) -> Option<Permit> {
        let open = self.counters.connections.fetch_add(1, Relaxed);
        let mut permit = Permit { shared: Arc::clone(self), key: None };
        let fits = usize::try_from(open).is_ok_and(|open| open < self.settings.limits.connections_max);
        if !fits {
            self.counters.refused.fetch_add(1, Relaxed);
            return None;
        }
        ip.is_none_or(|ip| permit.count(ip)).then_some(permit)
    }
}

/// A counted connection.
#[derive(Debug)]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    key: Option<u128>,
}

impl Permit {
    /// Counts the connection as one of `ip`; `false`: it has as many as it may.
    pub(crate) fn count(&mut self, ip: IpAddr) -> bool {
        let key = client_key(ip);
        let fits = self.shared.caps.take(key);
        if fits {
            self.key = Some(key);
        } else {
            self.shared.counters.refused.fetch_add(1, Relaxed);
        }
        fits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.counters.connections.fetch_sub(1, Relaxed);
        if let Some(key) = self.key {
            self.shared.caps.give_back(key);
        }
    }
}

/// Open connections per client address.
#[derive(Debug)]
pub(crate) struct Caps {
    max: usize,
    shards: [Mutex<HashMap<u128, usize>>; 16],
}

/// What one client is counted under: an IPv6 client has a whole /64 to itself.
pub(crate) fn client_key(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => Ipv6Addr::to_bits(ip) >> 64 << 64,
    }
}

impl Caps {
    fn new(max: usize) -> Self {
        Self { max, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn shard(&self, key: u128) -> &Mutex<HashMap<u128, usize>> {
        // Neighbouring addresses and neighbouring /64s both differ in one of these bytes.
        let mixed = key ^ (key >> 64) ^ (key >> 8);
        &self.shards[usize::try_from(mixed & 15).unwrap_or(0)]
    }

    fn take(&self, key: u128) -> bool {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        let open = shard.entry(key).or_insert(0);
        let fits = *open < self.max;
        *open += usize::from(fits);
        fits
    }

    fn give_back(&self, key: u128) {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = shard.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                shard.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_64() {
        let key = |ip: &str| client_key(ip.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:1.2.3.4"), key("1.2.3.4"));
        assert_ne!(key("1.2.3.4"), key("1.2.3.5"));
    }

    #[test]
    fn caps_count_and_forget() {
        let caps = Caps::new(2);
        assert!(caps.take(1) && caps.take(1) && !caps.take(1) && caps.take(2));
        caps.give_back(1);
        assert!(caps.take(1));
        for key in [1, 1, 2] {
            caps.give_back(key);
        }
        assert!(caps.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
