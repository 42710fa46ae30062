//! Opening a WebSocket: over HTTP/1.1 by upgrade (RFC 6455), over HTTP/2 by extended CONNECT (RFC 8441). To the
//! upstream it is always HTTP/1.1, on a connection of its own.

use std::{rc::Rc, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;

use crate::{
    body::EdgeBody,
    flight::Flight,
    forward::Search,
    page::{self, Page},
    pool::{Class, UpstreamState},
    proxy::{self, Ctx, Origin, Outcome, Refused},
    route::RouteState,
    source::RequestBody,
    tunnel::Tunnel,
    upstream::{self, Answer, Connection, Home, Transport},
};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A request that asks for a WebSocket.
pub(crate) enum Upgrade {
    Http1,
    /// What gives the stream once the answer is on its way.
    Http2(OnUpgrade),
}

/// Whether `request` asks for a WebSocket, in either way.
pub(crate) fn take_upgrade(request: &mut Request<Incoming>) -> Option<Upgrade> {
    if request.version() == http::Version::HTTP_2 {
        let protocol = request.extensions().get::<hyper::ext::Protocol>()?;
        let asks = request.method() == Method::CONNECT && protocol.as_str().eq_ignore_ascii_case("websocket");
        return asks.then(|| Upgrade::Http2(hyper::upgrade::on(request)));
    }
    let names = |name: HeaderName, word: &str| crate::headers::has_word(request.headers(), &name, word);
    let asks = request.method() == Method::GET
        && names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
        && request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    asks.then_some(Upgrade::Http1)
}

/// Asks the upstream; its refusal is an answer like any other.
pub(crate) async fn open(
    ctx: &Rc<Ctx>,
    flight: &mut Box<Flight>,
    origin: &Origin,
    upgrade: Upgrade,
    route: &std::sync::Arc<RouteState>,
) -> Result<Outcome, Refused> {
    let (upstream, transport) = dial(ctx, flight).await?;
    let asked = ask(ctx, flight, origin, transport, &upgrade, route.route.response_header_timeout.0).await;
    let asked = asked.inspect_err(|_| {
        upstream.broken.fetch_add(1, Relaxed);
    })?;
    upstream.requests.fetch_add(1, Relaxed);
    match asked {
        Asked::No(head, connection) => {
            let home = Home { idle: Rc::clone(&ctx.worker.idle), process: upstream.process, max: 0 };
            Ok(Outcome::Answer(Answer { head, connection, home }, std::sync::Arc::clone(route)))
        }
        Asked::Yes { head, transport, early } => Ok(Outcome::Switched(Box::new(Switch {
            head,
            transport,
            early,
            upgrade,
            idle: route.route.idle_timeout.0,
        }))),
    }
}

/// What the upstream said.
enum Asked {
    Yes { head: http::response::Parts, transport: Transport, early: Bytes },
    No(http::response::Parts, Box<Connection>),
}

async fn dial(ctx: &Ctx, flight: &mut Flight) -> Result<(std::sync::Arc<UpstreamState>, Transport), Page> {
    let worker = &ctx.worker;
    let mut search = Search::fresh();
    loop {
        let upstream = search.next(ctx, flight).await?;
        match upstream::dial(&worker.timers, &upstream.address, &worker.shared.settings.limits).await {
            Ok(transport) => {
                upstream.connected();
                return Ok((upstream, transport));
            }
            Err(_) => {
                upstream.connect_failed();
                search.failed(&upstream);
                flight.cause.get_or_insert("connect-failed");
            }
        }
    }
}

/// After a 101 the connection is taken apart: what comes then is no HTTP.
async fn ask(
    ctx: &Ctx,
    flight: &Flight,
    origin: &Origin,
    transport: Transport,
    upgrade: &Upgrade,
    limit: Duration,
) -> Result<Asked, Page> {
    let mut connection = Box::new(Connection::new(transport));
    connection.begin(&flight.asked, RequestBody::default(), |to| {
        proxy::onward(ctx, flight, origin, to);
        proxy::line(to, &header::CONNECTION, b"Upgrade");
        proxy::line(to, &header::UPGRADE, WEBSOCKET.as_bytes());
        if matches!(upgrade, Upgrade::Http2(_)) {
            // Over HTTP/2 there is no key; the upstream's HTTP/1.1 wants one (RFC 8441 5.1).
            proxy::line(to, &header::SEC_WEBSOCKET_KEY, key().as_bytes());
        }
    });
    let head = std::future::poll_fn(|cx| connection.poll_head(cx));
    let head = crate::timers::within(flight.timers(), limit, head).await.ok_or(page::UPSTREAM_TIMEOUT)?;
    let head = head.map_err(|_| page::UPSTREAM_BROKEN)?;
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Asked::No(head, connection));
    }
    let named = head.headers.get(header::UPGRADE);
    if !named.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(page::UPSTREAM_BROKEN);
    }
    let (transport, early) = connection.into_parts();
    Ok(Asked::Yes { head, transport, early })
}

/// An upstream that said yes.
pub(crate) struct Switch {
    head: http::response::Parts,
    transport: Transport,
    early: Bytes,
    upgrade: Upgrade,
    idle: Duration,
}

/// Gives the flight to the tunnel and answers the client in its own protocol.
pub(crate) fn switch(ctx: &Rc<Ctx>, mut flight: Box<Flight>, switch: Switch) -> Response<EdgeBody> {
    let Switch { head, transport, early, upgrade, idle } = switch;
    let mut answer = Response::from_parts(head, EdgeBody::full(Bytes::new()));
    let headers = answer.headers_mut();
    crate::headers::remove_hop_by_hop(headers);
    headers.remove(header::CONTENT_LENGTH);
    flight.answered(101);
    flight.count(crate::headers::is_foreign(headers), true);
    if let Some(label) = flight.instance_label() {
        headers.insert(crate::headers::INSTANCE, label);
    }
    if let Some(lease) = &mut flight.lease {
        lease.become_class(Class::WebSocket);
    }
    let tunnel = Box::new(Tunnel { upstream: transport, early, flight, idle });
    match upgrade {
        Upgrade::Http1 => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, WEBSOCKET);
            ctx.state.tunnels.set(true);
            *ctx.tunnel.borrow_mut() = Some(tunnel);
        }
        Upgrade::Http2(stream) => {
            headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            *answer.status_mut() = StatusCode::OK;
            tokio::task::spawn_local(async move {
                if let Ok(stream) = stream.await {
                    tunnel.run(TokioIo::new(stream), Bytes::new()).await;
                }
            });
        }
    }
    answer
}

fn key() -> HeaderValue {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = [0; 21];
    let _ = machine::entropy::fill(&mut random);
    // 16 bytes are 22 digits of base64, of which the last holds 4 bits: A, Q, g or w.
    let mut text: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte & 63)]).collect();
    text.extend_from_slice(b"A==");
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}
