//! One request from its head to the last byte of its answer: what it holds, and the record that it leaves.
//!
//! Dropping a [`Flight`] ends it, whichever way it ended: uncounts, measures, writes the access log's line.

use std::{
    cell::RefCell,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Version, header, request::Parts};

use crate::{
    access_log::Line,
    body::{UPSTREAM_BROKE_OFF, UPSTREAM_IDLE},
    conn::{ConnState, Entrance, Kill},
    headers::REQUEST_ID,
    limit,
    page::Page,
    pool::{Class, Lease},
    route::RouteState,
    shared::Shared,
    source::Source,
    timers::{Timer, Timers},
    traffic::Counted,
    worker::Worker,
};

/// What nginx calls a request whose client left before the answer.
const CLIENT_LEFT: u16 = 499;

#[derive(Debug)]
pub(crate) struct Flight {
    worker: Rc<Worker>,
    conn: Rc<ConnState>,
    pub(crate) timer: Timer,
    pub(crate) started: Instant,
    pub(crate) id: HeaderValue,
    /// The head as the client sent it; its headers go once no attempt can need them.
    pub(crate) asked: Parts,
    /// The one that was found valid, or that was refused.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) client: IpAddr,
    pub(crate) route: Option<Arc<RouteState>>,
    pub(crate) lease: Option<Lease>,
    pub(crate) source: Option<Rc<RefCell<Source>>>,
    /// 0 until the answer's head is known.
    status: u16,
    by_edge: bool,
    ttfb: Option<Duration>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) retries: u32,
    pub(crate) cause: Option<&'static str>,
    /// What its client is told of its quota.
    pub(crate) told: Option<Box<limit::Told>>,
    /// Of the route's limits the one that it did not pass.
    pub(crate) limit: Option<usize>,
}

impl Flight {
    pub(crate) fn begin(
        worker: &Rc<Worker>,
        conn: &Rc<ConnState>,
        asked: Parts,
        client: IpAddr,
    ) -> Box<Self> {
        conn.request_begins();
        let id = asked.headers.get(REQUEST_ID).filter(|id| conn.is_trusted && is_plain_id(id));
        let started = Instant::now();
        Box::new(Self {
            timer: worker.timers.timer(),
            started,
            id: id.cloned().unwrap_or_else(|| worker.new_id(started)),
            asked,
            host: None,
            client,
            route: None,
            lease: None,
            source: None,
            status: 0,
            by_edge: false,
            ttfb: None,
            bytes_in: 0,
            bytes_out: 0,
            retries: 0,
            cause: None,
            told: None,
            limit: None,
            worker: Rc::clone(worker),
            conn: Rc::clone(conn),
        })
    }

    /// The answer's head is known. It may be that of a long stream, and headers keep alive the buffer they came in.
    pub(crate) fn answered(&mut self, status: u16) {
        if self.host.is_none() {
            self.host = self.asked.headers.remove(header::HOST);
        }
        self.asked.headers = HeaderMap::new();
        self.status = status;
        self.ttfb = Some(self.started.elapsed());
    }

    /// A page of the edge is the answer.
    pub(crate) fn answered_by_edge(&mut self, page: &Page) {
        self.answered(page.status.as_u16());
        self.by_edge = true;
        self.cause.get_or_insert(page.cause);
        if let Some(traffic) = self.traffic().filter(|_| page.is_upstreams()) {
            traffic.failed(self.client);
        }
    }

    /// Counts the instance's answer for the pool, once its head is known.
    pub(crate) fn count(&self, is_foreign: bool, is_stream: bool) {
        let Some(traffic) = self.traffic() else { return };
        match self.status {
            _ if is_foreign => traffic.marked(),
            500.. => traffic.failed(self.client),
            _ => traffic.answered(self.ttfb.filter(|_| !is_stream)),
        }
    }

    /// Where users' requests are counted; those of the gate are nobody's.
    fn traffic(&self) -> Option<&Counted> {
        let lease = self.lease.as_ref().filter(|_| self.conn.entrance != Entrance::Private)?;
        Some(&lease.pool.traffic)
    }

    /// Which instance answered, for the private listener's eyes only.
    pub(crate) fn instance_label(&self) -> Option<HeaderValue> {
        let upstream = self.lease.as_ref()?.upstream.as_ref()?;
        (self.conn.entrance == Entrance::Private).then(|| upstream.label.clone())
    }

    /// Whether its connection is ended because its client takes too little.
    pub(crate) fn is_cut_by_pace(&self) -> bool {
        self.conn.kill.get() == Some(Kill::SendTimeout)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.worker.shared
    }

    pub(crate) fn timers(&self) -> &Rc<Timers> {
        &self.worker.timers
    }

    fn line(&self) -> Line<'_> {
        let upstream = self.lease.as_ref().and_then(|lease| lease.upstream.as_ref());
        let host = self.host.as_ref().map(HeaderValue::as_bytes);
        // Over HTTP/2 a request that was refused before its host was looked at has said it there.
        let authority = || self.asked.uri.authority().map(|authority| authority.as_str().as_bytes());
        // One look at the clock for both.
        let now = Instant::now();
        Line {
            unix_ms: self.worker.timers.unix_ms(now),
            request_id: self.id.to_str().unwrap_or(""),
            method: self.asked.method.as_str(),
            host: host.or_else(authority).unwrap_or_default(),
            path: self.asked.uri.path(),
            query: self.asked.uri.query(),
            status: if self.status == 0 { CLIENT_LEFT } else { self.status },
            bytes_in: self.source.as_ref().map_or(self.bytes_in, |source| source.borrow().bytes),
            bytes_out: self.bytes_out,
            duration: now.duration_since(self.started),
            ttfb: self.ttfb,
            upstream: upstream.map(|upstream| &upstream.label),
            release: self.lease.as_ref().map(|lease| lease.pool.release.0),
            site: self.route.as_ref().map(|route| &*route.site),
            client: self.client,
            protocol: match self.asked.version {
                Version::HTTP_2 => "HTTP/2",
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            tls: self.conn.is_over_tls,
            class: self.lease.as_ref().map_or(Class::Http, Lease::class).name(),
            retries: self.retries,
            cause: self.cause.or((self.status == 0).then_some("client-broke-off")),
            limit: self.limit.and_then(|at| Some(self.route.as_ref()?.limits.get(at)?.name())),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let worker = &self.worker;
        self.conn.request_ends(worker.timers.now());
        let line = self.line();
        let route = self.route.as_ref().map_or(0, |route| route.metric);
        worker.measure(route, &self.asked.method, line.status, line.duration);
        worker.log(&line);
        if self.by_edge && self.status >= 500 {
            worker.shared.counters.edge_5xx.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let upstream = self.lease.as_ref().and_then(|lease| lease.upstream.as_ref());
        if let Some(upstream) = upstream.filter(|_| !self.by_edge && self.status >= 500) {
            upstream.errors_5xx.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let broke = matches!(self.cause, Some(UPSTREAM_BROKE_OFF | UPSTREAM_IDLE)) && self.status < 500;
        if let Some(traffic) = self.traffic().filter(|_| broke) {
            traffic.broke(self.client);
        }
    }
}

/// A trusted proxy's id is taken if it is short and harmless in a header and a log.
fn is_plain_id(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}
