//! The way of one request: who asks, what for, which route, which pool, which upstream, and back.
//!
//! This file tells the story; what a step does is in the file of its name.

use std::{cell::RefCell, convert::Infallible, net::IpAddr, rc::Rc, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery};
use http_body::Body;
use hyper::body::Incoming;

use crate::{
    affinity,
    body::{EdgeBody, UpstreamBody},
    challenge,
    clock::ns_at,
    conn::{ConnState, Entrance},
    csp,
    flight::Flight,
    forward, headers, limit,
    matcher::normal_host,
    page::{self, Page},
    pool::Lease,
    private,
    request::{self, Target},
    route::RouteState,
    rules::{Dress, Rules},
    settings::ClientIp,
    source::{Source, SourceLimits},
    tunnel::Tunnel,
    upstream::Answer,
    websocket,
    worker::Worker,
};

/// Bound: a client is told to come back after this at the latest, whatever was planned.
const RETRY_AFTER_MAX: u64 = 3600;

/// What all requests of one connection share.
#[derive(Debug)]
pub(crate) struct Ctx {
    pub(crate) worker: Rc<Worker>,
    pub(crate) state: Rc<ConnState>,
    /// The peer's address as a header, since most requests are its own.
    peer: IpAddr,
    peer_value: HeaderValue,
    /// The last `Forwarded` value and what it was made of.
    forwarded: RefCell<Option<(IpAddr, HeaderValue, &'static str, HeaderValue)>>,
    /// Set beside a 101: what runs on the connection once that is written.
    pub(crate) tunnel: RefCell<Option<Box<Tunnel>>>,
}

/// A refusal: the page, and words that replace its own.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) page: Page,
    pub(crate) words: Option<Arc<str>>,
}

impl Refused {
    fn has_no_route(&self) -> bool {
        [page::NO_ROUTE.cause, page::NOTHING_DEPLOYED.cause].contains(&self.page.cause)
    }
}

impl From<Page> for Refused {
    fn from(page: Page) -> Self {
        Self { page, words: None }
    }
}

/// What the client wants to be connected to (RFC 9110 4.3.1); the port is in `host`, if any was said.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) host: HeaderValue,
    pub(crate) proto: &'static str,
}

/// What a request comes to.
pub(crate) enum Outcome {
    /// An upstream's answer, to be passed on.
    Answer(Answer, Arc<RouteState>),
    /// The edge's own, complete.
    Own(Response<EdgeBody>),
    /// An upstream that took a WebSocket.
    Switched(Box<websocket::Switch>),
}

impl Ctx {
    pub(crate) fn new(worker: Rc<Worker>, state: Rc<ConnState>) -> Self {
        let peer = state.peer_ip();
        Self {
            worker,
            state,
            peer,
            peer_value: ip_value(peer),
            forwarded: RefCell::new(None),
            tunnel: RefCell::new(None),
        }
    }

    fn client(&self, headers: &http::HeaderMap) -> IpAddr {
        let settings = &self.worker.shared.settings;
        headers::client_ip(
            self.peer,
            self.state.is_trusted,
            headers,
            settings.client_ip,
            &settings.trusted_proxies,
        )
    }

    /// The scheme that the client used.
    fn proto(&self, headers: &http::HeaderMap) -> &'static str {
        let says_another = match self.state.entrance {
            Entrance::Private => true,
            _ => self.state.is_trusted && self.worker.shared.settings.client_ip != ClientIp::Peer,
        };
        let own = if self.state.is_over_tls { "https" } else { "http" };
        says_another.then(|| headers::trusted_proto(headers)).flatten().unwrap_or(own)
    }

    /// The port that the client asked; on the private listener that of the public way.
    fn port(&self, proto: &str) -> u16 {
        match (self.state.port, proto) {
            (0, "https") => 443,
            (0, _) => 80,
            (port, _) => port,
        }
    }

    fn forwarded(&self, client: IpAddr, host: &HeaderValue, proto: &'static str) -> HeaderValue {
        let mut last = self.forwarded.borrow_mut();
        match &*last {
            Some((ip, named, scheme, value)) if *ip == client && named == host && *scheme == proto => {
                value.clone()
            }
            _ => {
                let value = headers::forwarded(client, host, proto);
                *last = Some((client, host.clone(), proto, value.clone()));
                value
            }
        }
    }
}

/// Answers one request, whatever happens. Its future is kept for each open request and moved as it is made, so it is what the protocols ask for,
/// without another around it.
pub(crate) async fn answer(
    ctx: Rc<Ctx>,
    mut request: Request<Incoming>,
) -> Result<Response<EdgeBody>, Infallible> {
    let client = ctx.client(request.headers());
    let upgrade = websocket::take_upgrade(&mut request);
    let (asked, body) = request.into_parts();
    let mut flight = Flight::begin(&ctx.worker, &ctx.state, asked, client);
    let id = flight.id.clone();
    let has_body = !body.is_end_stream();
    let outcome = serve(&ctx, &mut flight, body, upgrade).await;
    let may_say_hsts = may_say_hsts(&ctx, &flight);
    let hsts = ctx.worker.shared.hsts.clone();
    // Who else speaks TLS in front says the machine's word itself.
    let hsts = hsts.filter(|_| may_say_hsts && ctx.state.entrance == Entrance::Https);
    let told = flight.told.take();
    let dress = dress(&flight, may_say_hsts);
    let is_unread = has_body && flight.source.as_ref().is_none_or(|source| !source.borrow().has_ended());
    let mut answer = match outcome {
        Ok(Outcome::Answer(answer, route)) => pass_on(&ctx, flight, answer, &route),
        Ok(Outcome::Switched(switch)) => websocket::switch(&ctx, flight, *switch),
        Ok(Outcome::Own(mut answer)) => {
            flight.answered(answer.status().as_u16());
            answer.body_mut().carry(flight);
            answer
        }
        Err(Refused { page, words }) => {
            let mut answer = page.answer(flight.asked.headers.get(header::ACCEPT), &id, words.as_deref());
            flight.answered_by_edge(&page);
            answer.body_mut().carry(flight);
            answer
        }
    };
    answer.headers_mut().insert(headers::REQUEST_ID, id);
    if let Some(dress) = dress {
        dress.put(answer.headers_mut());
    }
    if let Some(hsts) = hsts {
        // The word of the app or of its manifest is not replaced.
        answer.headers_mut().entry(header::STRICT_TRANSPORT_SECURITY).or_insert(hsts);
    }
    if let Some(told) = told {
        told.put(answer.headers_mut());
    }
    if ends_connection(&ctx, &answer, is_unread) {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    ctx.state.is_answering.set(true);
    Ok(answer)
}

/// RFC 6797, 7.2: over TLS alone; over ours not before a CA has signed what the name is shown.
/// Looked up only where there is a word to say.
fn may_say_hsts(ctx: &Ctx, flight: &Flight) -> bool {
    let rules = flight.route.as_ref().and_then(|route| route.rules.as_ref());
    if ctx.worker.shared.hsts.is_none() && !rules.is_some_and(|rules| rules.say_hsts()) {
        return false;
    }
    match (ctx.state.entrance, &flight.host) {
        (Entrance::Https, Some(host)) => ctx.worker.shared.is_signed(host),
        (Entrance::Https, None) => false,
        _ => ctx.proto(&flight.asked.headers) == "https",
    }
}

/// HTTP/1.1 connections end after the answer when the edge shuts down, and after a request that the edge could not make
/// sense of or did not read whole: what follows on them may be anything.
fn ends_connection(ctx: &Ctx, answer: &Response<EdgeBody>, is_unread: bool) -> bool {
    if ctx.state.is_h2.get() || answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return false;
    }
    let is_own = matches!(answer.body(), EdgeBody::Full(..));
    let is_about_the_request = matches!(answer.status().as_u16(), 400 | 405 | 408 | 413);
    ctx.worker.shared.is_stopping() || (is_own && (is_about_the_request || is_unread))
}

/// The upstream's answer, cleaned, with the flight in its body.
fn pass_on(ctx: &Ctx, mut flight: Box<Flight>, answer: Answer, route: &RouteState) -> Response<EdgeBody> {
    let Answer { mut head, connection, home } = answer;
    headers::remove_hop_by_hop(&mut head.headers);
    let compressor = route.rules.as_ref().and_then(|rules| rules.compressor());
    let encoder = compressor.and_then(|own| own.begin(&ctx.worker.encoding, &flight.asked, &mut head));
    if let Some(cookie) = affinity_cookie(ctx, &flight, route).filter(|_| !affinity::is_shared(&head.headers))
    {
        head.headers.append(header::SET_COOKIE, cookie);
    }
    flight.answered(head.status.as_u16());
    let kind = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_event_stream = kind.get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"));
    flight.count(headers::is_foreign(&mut head.headers), is_event_stream);
    head.headers.remove(headers::INSTANCE);
    if let Some(label) = flight.instance_label() {
        head.headers.insert(headers::INSTANCE, label);
    }
    let body = UpstreamBody::new(connection, home, flight, route.route.idle_timeout.0, is_event_stream);
    Response::from_parts(head, EdgeBody::Upstream(body.encoded(encoder)))
}

/// What binds the client to the instance that answered.
fn affinity_cookie(ctx: &Ctx, flight: &Flight, route: &RouteState) -> Option<HeaderValue> {
    let answered = &flight.lease.as_ref()?.upstream.as_ref()?.name;
    let asked = &flight.asked.headers;
    affinity::cookie(route, asked, answered, || ctx.proto(asked) == "https")
}

async fn serve(
    ctx: &Rc<Ctx>,
    flight: &mut Box<Flight>,
    body: Incoming,
    upgrade: Option<websocket::Upgrade>,
) -> Result<Outcome, Refused> {
    if upgrade.is_some() {
        // Extended CONNECT is to HTTP/2 what a GET with `Upgrade` is to HTTP/1.1.
        flight.asked.method = Method::GET;
    }
    request::fits(&flight.asked, &ctx.worker.shared.settings.limits)?;
    let Target { host, uri } = request::target(&flight.asked)?;
    flight.asked.uri = uri;
    flight.host = Some(host.clone());
    if challenge::may_be_asked(ctx, &flight.asked)
        // Rare: boxed, so that other requests do not carry its room.
        && let Some(answer) = Box::pin(challenge::answer(ctx, &flight.asked)).await
    {
        return Ok(Outcome::Own(answer));
    }
    let origin = Origin { host, proto: ctx.proto(&flight.asked.headers) };
    let (route, lease) = match find(ctx, flight, &origin.host) {
        // Rare and large: boxed, so that other requests do not carry its room.
        Err(refused) if refused.has_no_route() => Box::pin(await_route(ctx, flight, &origin.host)).await?,
        found => found?,
    };
    flight.route = Some(Arc::clone(&route));
    flight.lease = lease;
    if let Some(answer) = forward::redirect(ctx, &route, &flight.asked, &origin)? {
        return Ok(Outcome::Own(answer));
    }
    if let Err(refusal) = within_limits(ctx, flight, &route) {
        return refused(flight, &route, &refusal);
    }
    closed(ctx, flight, &route)?;
    // Before the route asks for a token: browsers send none along.
    if csp::is_report(&route, &flight.asked) {
        flight.lease = None;
        flight.source = source(ctx, flight, body, csp::BYTES_MAX)?;
        // Rare: boxed, so that other requests do not carry its room.
        return Ok(Outcome::Own(Box::pin(csp::take(flight, &route)).await?));
    }
    if let Some(answer) = by_rules(ctx, &route, flight, &origin.host)? {
        return Ok(Outcome::Own(answer));
    }
    if let Some(upgrade) = upgrade {
        // Rare and large: boxed, so that other requests do not carry its room.
        return Box::pin(websocket::open(ctx, flight, &origin, upgrade, &route)).await;
    }
    flight.source = source(ctx, flight, body, route.route.max_request_body.0)?;
    let answer = forward::send(ctx, flight, &origin, &route).await?;
    Ok(Outcome::Answer(answer, route))
}

/// Whether this client gets a page in place of the site now.
fn closed(ctx: &Ctx, flight: &Flight, route: &RouteState) -> Result<(), Refused> {
    if let Some(words) = &route.maintenance {
        return Err(Refused { page: page::MAINTENANCE, words: Some(Arc::clone(words)) });
    }
    let Some(notice) = route.notice.as_deref().filter(|notice| notice.is_for(flight.client)) else {
        return Ok(());
    };
    let now = ctx.worker.timers.unix_ms(flight.started);
    if !notice.stands(now) {
        return Ok(());
    }
    let left =
        notice.until_unix_ms.map(|until| (until.saturating_sub(now).div_ceil(1000)).min(RETRY_AFTER_MAX));
    let retry_after = left.and_then(|left| u32::try_from(left).ok()).or(page::MAINTENANCE.retry_after);
    let words = notice.words.as_deref().map(Arc::from);
    Err(Refused { page: Page { retry_after, ..page::MAINTENANCE }, words })
}

/// What the route's rules make of every answer of it; `None`: they say nothing.
fn dress(flight: &Flight, may_say_hsts: bool) -> Option<Dress> {
    let rules = flight.route.as_ref()?.rules.as_ref()?;
    Some(rules.dress(&flight.asked.headers, may_say_hsts))
}

/// The answer by the route's rules, if they have one of their own.
fn by_rules(
    ctx: &Ctx,
    route: &RouteState,
    flight: &mut Flight,
    host: &HeaderValue,
) -> Result<Option<Response<EdgeBody>>, Page> {
    let Some(rules) = &route.rules else { return Ok(None) };
    let answer = rules.answer(&flight.asked, &normal_host(host.to_str().unwrap_or("")));
    if answer.is_some() {
        // It takes no place at an instance.
        flight.lease = None;
    } else if ctx.state.entrance != Entrance::Private {
        rules.let_in(&flight.asked, flight.client)?;
    }
    Ok(answer)
}

/// Counts the request against the route's limits.
fn within_limits(ctx: &Ctx, flight: &mut Flight, route: &RouteState) -> Result<(), limit::Refusal> {
    let limits = &ctx.worker.shared.limits;
    let now = ns_at(flight.started);
    let (told, passed) = limit::check(limits, &route.limits, &flight.asked, flight.client, now);
    flight.told = told.map(Box::new);
    passed
}

/// The answer to a request that did not pass a limit.
fn refused(flight: &mut Flight, route: &RouteState, refusal: &limit::Refusal) -> Result<Outcome, Refused> {
    flight.limit = Some(refusal.limit);
    flight.cause = Some(limit::CAUSE);
    // It takes no place at an instance.
    flight.lease = None;
    let own = route.limits.get(refusal.limit).and_then(|limit| limit.answer(refusal.retry_after));
    let page = Page { retry_after: Some(refusal.retry_after), ..page::RATE_LIMITED };
    own.map_or(Err(page.into()), |answer| Ok(Outcome::Own(answer)))
}

/// The route and a counted place in its pool; no place where the answer needs none (maintenance, redirect).
fn find(ctx: &Ctx, flight: &Flight, host: &HeaderValue) -> Result<(Arc<RouteState>, Option<Lease>), Refused> {
    let asked = &flight.asked;
    let path = asked.uri.path();
    let shared = &ctx.worker.shared;
    let host = normal_host(host.to_str().map_err(|_| page::BAD_HOST)?);
    if ctx.state.entrance == Entrance::Private {
        return private::find(shared, &asked.headers, &host, path).map(|(route, lease)| (route, Some(lease)));
    }
    // A pool that drains means that the table has just changed: the second look finds the new one. A third is for
    // two changes in a row; more would be a table that never stands still.
    for _ in 0..3 {
        let snapshot = shared.snapshot.load();
        let Some(route) = snapshot.find(&host, path) else {
            let page = if snapshot.routes.is_empty() { page::NOTHING_DEPLOYED } else { page::NO_ROUTE };
            return Err(page.into());
        };
        if let Some(lease) = Lease::open(route.pool_of(flight.client), false) {
            return Ok((Arc::clone(route), Some(lease)));
        }
    }
    Err(page::UNAVAILABLE.into())
}

/// After a start of everything the edge is there before the tables of the sites are. Finds again with every table until all
/// sites that were served before have their routes.
async fn await_route(
    ctx: &Ctx,
    flight: &Flight,
    host: &HeaderValue,
) -> Result<(Arc<RouteState>, Option<Lease>), Refused> {
    let shared = &ctx.worker.shared;
    loop {
        // Asked for before the look: what happens in between is not missed.
        let changed = shared.readiness.notified();
        match find(ctx, flight, host) {
            Err(refused) if refused.has_no_route() => {
                let Some(left) = shared.awaits_route() else { return Err(refused) };
                // Without a change it is the time that is over: then the next look says so.
                let _ = tokio::time::timeout(left, changed).await;
            }
            found => return found,
        }
    }
}

/// The request's head as the upstream gets it, by HTTP/1.1, written anew for each attempt from what the client sent. What
/// frames the body, and the empty line, are for the connection to write.
pub(crate) fn onward(ctx: &Ctx, flight: &Flight, origin: &Origin, to: &mut Vec<u8>) {
    let Origin { host, proto } = origin;
    let client = flight.client;
    let ip = if client == ctx.peer { ctx.peer_value.clone() } else { ip_value(client) };
    let asker = headers::Asker {
        ip: &ip,
        proto,
        host,
        port: ctx.port(proto),
        forwarded: ctx.forwarded(client, host, proto),
        request_id: &flight.id,
    };
    let asked = &flight.asked;
    let path = asked.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rules = flight.route.as_ref().and_then(|route| route.rules.as_deref());
    let rewritten = rules.and_then(|rules| rules.rewritten(path));
    let path = rewritten.as_deref().unwrap_or(path);
    for part in [asked.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        to.extend_from_slice(part.as_bytes());
    }
    headers::onward(&asked.headers, ctx.state.is_trusted, &asker, |name, value| {
        if !rules.is_some_and(|rules| rules.keeps_back(name)) {
            line(to, name, value.as_bytes());
        }
    });
    for (name, value) in rules.into_iter().flat_map(Rules::besides) {
        line(to, name, value.as_bytes());
    }
}

/// Adds a header line.
pub(crate) fn line(to: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        to.extend_from_slice(part);
    }
}

/// The request's body, if it has one that may come.
fn source(
    ctx: &Ctx,
    flight: &Flight,
    body: Incoming,
    bytes_max: u64,
) -> Result<Option<Rc<RefCell<Source>>>, Refused> {
    if body.is_end_stream() {
        return Ok(None);
    }
    let settings = &ctx.worker.shared.settings.limits;
    let limits = SourceLimits {
        bytes: bytes_max,
        idle: settings.body_idle_timeout.0,
        rate_min: settings.body_rate_min.0,
    };
    if body.size_hint().lower() > limits.bytes {
        return Err(page::TOO_LARGE.into());
    }
    let timer = flight.timers().timer();
    Ok(Some(Rc::new(RefCell::new(Source::new(
        body,
        request::is_idempotent(&flight.asked.method),
        &limits,
        timer,
    )))))
}

fn ip_value(ip: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}
