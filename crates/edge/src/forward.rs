//! Sending a request to an upstream, again where that is safe.
//!
//! When nothing was sent, any method may go elsewhere. Once a byte was sent only idempotent methods may, only while the
//! whole body can be sent again, and only as long as nothing of an answer was passed on (which is after this file).

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request, response::Parts};
use model::{ProcessId, manifest::RouteTls};

use crate::{
    affinity::Wish,
    balance,
    body::EdgeBody,
    clock::{NEVER, ms},
    conn::Entrance,
    flight::Flight,
    page::{self, Page},
    pool::{Lease, UpstreamState},
    proxy::{self, Ctx, Origin, Refused},
    request::is_idempotent,
    route::RouteState,
    source::{BodyFault, RequestBody},
    upstream::{self, Answer, Connection, Fault, Home},
};

/// Bound: attempts at one request, whatever the cause.
const ATTEMPTS_MAX: u32 = 4;

/// Plain HTTP to a route that wants TLS is sent there; 404 for TLS to a route that wants none.
pub(crate) fn redirect(
    ctx: &Ctx,
    route: &RouteState,
    asked: &request::Parts,
    origin: &Origin,
) -> Result<Option<Response<EdgeBody>>, Page> {
    let Origin { host, proto } = origin;
    let wants = route.route.tls;
    if ctx.state.entrance == Entrance::Private || wants == RouteTls::Optional {
        return Ok(None);
    }
    if wants == RouteTls::Off {
        return if *proto == "https" { Err(page::NO_ROUTE) } else { Ok(None) };
    }
    let Some(port) = ctx.worker.shared.https_port.filter(|_| *proto == "http") else { return Ok(None) };
    let name = crate::matcher::normal_host(host.to_str().unwrap_or("")).into_owned();
    let uri = &asked.uri;
    let to = match port {
        443 => format!("https://{name}{uri}"),
        port => format!("https://{name}:{port}{uri}"),
    };
    // 301 turns a POST into a GET in practice; 308 keeps the method.
    let status = match asked.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let mut answer = Response::new(EdgeBody::full(Bytes::new()));
    *answer.status_mut() = status;
    let to = HeaderValue::from_str(&to).map_err(|_| page::BAD_REQUEST)?;
    answer.headers_mut().insert(header::LOCATION, to);
    Ok(Some(answer))
}

/// What one attempt came to.
enum Attempt {
    Answered(Parts, Box<Connection>),
    /// No byte was sent.
    Unsent,
    /// It may have been received.
    Broken,
    Refused(Page),
}

/// Sends the request until there is an answer's head or no hope.
pub(crate) async fn send(
    ctx: &Rc<Ctx>,
    flight: &mut Flight,
    origin: &Origin,
    route: &RouteState,
) -> Result<Answer, Refused> {
    let mut search = Search::default();
    let may_send_twice = is_idempotent(&flight.asked.method);
    for attempt in 0..ATTEMPTS_MAX {
        flight.retries = attempt;
        let (upstream, mut connection) = search.connection(ctx, flight, may_send_twice).await?;
        let process = upstream.process;
        let body = RequestBody::new(flight.source.clone());
        connection.begin(&flight.asked, body, |to| proxy::onward(ctx, flight, origin, to));
        match attempt_once(flight, connection, route.route.response_header_timeout.0).await {
            Attempt::Answered(head, connection) => {
                upstream.requests.fetch_add(1, Relaxed);
                let max = ctx.worker.shared.settings.limits.upstream_idle_max;
                let home = Home { idle: Rc::clone(&ctx.worker.idle), process, max };
                return Ok(Answer { head, connection, home });
            }
            Attempt::Unsent => {}
            Attempt::Broken => {
                upstream.broken.fetch_add(1, Relaxed);
                let can_replay = flight.source.as_ref().is_none_or(|source| source.borrow().can_replay());
                if !may_send_twice || !can_replay {
                    return Err(broken(flight).into());
                }
                search.failed(&upstream);
            }
            Attempt::Refused(page) => return Err(page.into()),
        }
        search.fresh = true;
    }
    Err(broken(flight).into())
}

/// Whose fault a broken exchange is.
pub(crate) fn broken(flight: &Flight) -> Page {
    match flight.source.as_ref().and_then(|source| source.borrow().fault) {
        Some(BodyFault::TooLarge) => page::TOO_LARGE,
        Some(BodyFault::Timeout) => page::BODY_TIMEOUT,
        Some(BodyFault::Broken) => page::BODY_BROKEN,
        None => page::UPSTREAM_BROKEN,
    }
}

async fn attempt_once(flight: &Flight, mut connection: Box<Connection>, header_timeout: Duration) -> Attempt {
    flight.timer.arm(header_timeout);
    let head = std::future::poll_fn(|cx| match connection.poll_head(cx) {
        Poll::Ready(head) => Poll::Ready(Ok(head)),
        Poll::Pending => overdue(flight, cx, header_timeout).map(Err),
    })
    .await;
    match head {
        // Without an upgrade that was asked for, 101 is nonsense; the connection is not used again.
        Ok(Ok(head)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            Attempt::Refused(page::UPSTREAM_BROKEN)
        }
        Ok(Ok(head)) => Attempt::Answered(head, connection),
        Ok(Err(Fault::Unsent)) => Attempt::Unsent,
        Ok(Err(Fault::Broken)) => Attempt::Broken,
        Ok(Err(fault @ Fault::Malformed(_))) => {
            tracing::debug!(%fault, "an upstream's answer cannot be read");
            Attempt::Refused(page::UPSTREAM_BROKEN)
        }
        Err(page) => Attempt::Refused(page),
    }
}

/// The route's deadline, counted anew while the request's body still moves, and the drain's.
fn overdue(flight: &Flight, cx: &mut std::task::Context<'_>, header_timeout: Duration) -> Poll<Page> {
    let now = flight.timer.now();
    let cut_at = flight.lease.as_ref().map_or(NEVER, Lease::cut_at);
    if cut_at <= now {
        if let Some(lease) = &flight.lease {
            lease.pool.cut.count(lease.class());
        }
        return Poll::Ready(page::DRAINED);
    }
    flight.timer.cut_at(cut_at);
    if !flight.timer.expired(cx) {
        return Poll::Pending;
    }
    let moved_at = flight.source.as_ref().map_or(0, |source| source.borrow().progress_at);
    let silent = now.saturating_sub(moved_at);
    match ms(header_timeout).checked_sub(silent).filter(|left| *left > 0) {
        Some(left) => {
            flight.timer.arm(Duration::from_millis(left));
            let _ = flight.timer.expired(cx);
            Poll::Pending
        }
        None => Poll::Ready(page::UPSTREAM_TIMEOUT),
    }
}

/// After a start of everything the edge is there before the apps are. Waits while this pool has had no ready upstream yet
/// and may soon; `true`: it waited, and now there is one.
async fn first_ready(ctx: &Ctx, flight: &Flight) -> bool {
    let Some(pool) = flight.lease.as_ref().map(|lease| Arc::clone(&lease.pool)) else { return false };
    let shared = &ctx.worker.shared;
    let mut waited = false;
    loop {
        // Asked for before the look: what happens in between is not missed.
        let changed = shared.readiness.notified();
        if pool.has_been_ready() {
            return waited;
        }
        let Some(left) = shared.awaits_first_ready() else { return false };
        waited = true;
        // Without a change it is the time that is over: then the next look says so.
        let _ = tokio::time::timeout(left, changed).await;
    }
}

/// The search for an upstream that takes a connection.
#[derive(Debug, Default)]
pub(crate) struct Search {
    tried: Vec<ProcessId>,
    /// A pooled connection has failed this request: from now on only new ones.
    fresh: bool,
}

impl Search {
    /// One that takes no pooled connection.
    pub(crate) fn fresh() -> Self {
        Self { tried: Vec::new(), fresh: true }
    }

    /// This one had its chance, unless it is the only one.
    pub(crate) fn failed(&mut self, upstream: &UpstreamState) {
        if self.fresh {
            self.tried.push(upstream.process);
        }
    }

    /// The next upstream, counted in the flight's lease; while everything starts it waits for the pool's first.
    pub(crate) async fn next(&mut self, ctx: &Ctx, flight: &mut Flight) -> Result<Arc<UpstreamState>, Page> {
        loop {
            match self.choose(ctx, flight) {
                // Nothing was sent, and nothing is known against those that were tried.
                Err(_) if first_ready(ctx, flight).await => self.tried.clear(),
                found => return found,
            }
        }
    }

    fn choose(&self, ctx: &Ctx, flight: &mut Flight) -> Result<Arc<UpstreamState>, Page> {
        let route = flight.route.as_deref();
        let wish = route.and_then(|route| Wish::of(route, &flight.asked.headers, flight.client));
        let lease = flight.lease.as_mut().ok_or(page::UNAVAILABLE)?;
        // An instance that leaves between the look and the count is seen by the count; then the set is a new one.
        for _ in 0..3 {
            let config = lease.pool.config.load_full();
            let upstream =
                balance::choose(&config, ctx.worker.turn(), &self.tried, wish).ok_or(page::UNAVAILABLE)?;
            if lease.choose(upstream) {
                return Ok(Arc::clone(upstream));
            }
        }
        Err(page::UNAVAILABLE)
    }

    /// An upstream and a connection to it. Connects that fail cost nothing but the time.
    async fn connection(
        &mut self,
        ctx: &Ctx,
        flight: &mut Flight,
        may_send_twice: bool,
    ) -> Result<(Arc<UpstreamState>, Box<Connection>), Page> {
        let worker = &ctx.worker;
        let limits = &worker.shared.settings.limits;
        loop {
            let upstream = self.next(ctx, flight).await?;
            if !self.fresh {
                let (process, idle_max) = (upstream.process, limits.upstream_idle_timeout.0);
                let pooled = std::future::poll_fn(|cx| {
                    Poll::Ready(worker.idle.take(cx, process, may_send_twice, idle_max))
                });
                if let Some(connection) = pooled.await {
                    return Ok((upstream, connection));
                }
            }
            // Rare and large: boxed, so that requests on pooled connections do not carry its room.
            match Box::pin(upstream::connect(&worker.timers, &upstream, limits)).await {
                Ok(connection) => {
                    upstream.connected();
                    return Ok((upstream, connection));
                }
                Err(error) => {
                    tracing::debug!(upstream = %upstream.name, %error, "an upstream takes no connection");
                    upstream.connect_failed();
                    self.tried.push(upstream.process);
                    flight.cause.get_or_insert("connect-failed");
                }
            }
        }
    }
}
